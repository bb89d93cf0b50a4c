#pragma once

#include <cstddef>
#include <vector>

#include "coordinator/stats/image_set.h"
#include "schema/base/philox.h"

namespace sarsweep::statistics {

struct EmbeddingStreams {
  RandomStream captions, prompts, pictures;
};

// Each image's expected rank in pools of 16 among the captions of all (docs/evaluation.md), by
// embeddings: a caption lies about its label's centre, a picture about its caption, `noise` times
// a normal vector away, of whose variance `common` is the prompt's.
std::vector<double> caption_ranks(const stats::ImageSet& images, double common, double noise,
                                  const EmbeddingStreams& streams);

// The mean over infinitely many images, among as many captions as there are images: by that of so
// many `pictures` among 2,000 captions.
double true_caption_rank(const stats::ImageSet& images, double noise, std::size_t pictures);

}  // namespace sarsweep::statistics
