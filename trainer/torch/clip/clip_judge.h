#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "trainer/core/images/amplitude.h"
#include "trainer/torch/clip/clip_model.h"

// A CLIP model that looks at pictures and captions without learning, a few at a time.
namespace sarsweep::trainer {

using EmbeddingRows = std::vector<std::vector<float>>;  // unit norm

// Called before every pass with what is done of all; may throw to break off.
using EmbeddingProgress = std::function<void(std::size_t done, std::size_t total)>;

// `stretched(i)` for i < count: a stretched amplitude in [0,1], of any size. It is asked for in
// order, and kept no longer than its pass.
EmbeddingRows embed_stretched(const ClipModel& model, std::size_t count,
                              const std::function<AmplitudeImage(std::size_t)>& stretched,
                              const EmbeddingProgress& progress = {});
EmbeddingRows embed_texts(const ClipModel& model, const std::vector<std::string>& texts,
                          const EmbeddingProgress& progress = {});

// The different ones of `captions` in the order in which they first come, and of each caption its
// place among them.
struct DistinctCaptions {
  std::vector<std::string> texts;
  std::vector<std::size_t> place;
};
DistinctCaptions distinct_captions(const std::vector<std::string>& captions);

}  // namespace sarsweep::trainer
