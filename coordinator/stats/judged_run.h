#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "coordinator/stats/image_set.h"
#include "coordinator/stats/textures.h"

namespace sarsweep::stats {

// What a result document (docs/evaluation.md) says of each image, in the order of `images`. Pixels
// and numbers are summed over the pictures that were generated for the image. Pure.
struct JudgedRun {
  ImageSet images;
  std::vector<double> pictures;  // of each image
  // Counts of amplitude: an image after the other, each `bins` of the real side and then as many of
  // the generated one. No bins: the document has no histograms.
  std::size_t bins = 0;
  std::vector<std::uint32_t> counts;
  std::vector<double> saturated_real, saturated_generated;  // pixels
  // By the name of what the document gives for an image: "rank_mid". Only what every picture has.
  // "rank" is the one that the document's clip_rank is the mean of.
  std::map<std::string, std::vector<double>> numbers;
  Textures textures;

  std::map<std::string, double> reported;  // by metric, as the trainer computed it
  std::map<std::string, double> floor;     // by metric: of real against real
};

// nullopt where the document has no images. Throws Error(invalid) for rows that cannot be.
std::optional<JudgedRun> read_result(const nlohmann::json& document);

// Whether two programs that computed a and b from the same numbers may have meant the same.
bool alike(double a, double b);

}  // namespace sarsweep::stats
