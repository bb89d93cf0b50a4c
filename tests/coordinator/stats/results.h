#pragma once

#include <cmath>
#include <string>

#include <nlohmann/json.hpp>

#include "schema/base/philox.h"

namespace sarsweep::stats {

struct ResultShape {
  int labels = 3, per_label = 12;
  int bins = 20;
  int pictures = 1;  // of each image
};

// A result document of pictures that differ by chance; `seed` is another model.
inline nlohmann::json result_document(std::uint64_t seed, const ResultShape& shape = {}) {
  using nlohmann::json;
  const RandomStream random(seed, "result", 0);
  std::uint64_t drawn = 0;
  json images = json::array();
  for (int label = 0; label < shape.labels; ++label) {
    for (int i = 0; i < shape.per_label; ++i) {
      for (int picture = 0; picture < shape.pictures; ++picture) {
        json row = {{"label", "label " + std::to_string(label)},
                    {"file_name", std::to_string(label) + "-" + std::to_string(i) + ".png"},
                    {"seed", picture},
                    {"kl", random.uniform(drawn++)},
                    {"rank_mid", 1 + 15 * random.uniform(drawn++)},
                    {"rank_strict", nullptr}};
        for (const char* side : {"real", "generated"}) {
          const double middle = 6 + label + 2 * random.normal(drawn++);
          json counts = json::array();
          for (int k = 0; k < shape.bins; ++k) {
            counts.push_back(std::llround(500 * std::exp(-0.1 * (k - middle) * (k - middle))));
          }
          row[std::string("histogram_") + side] = counts;
          row[std::string("saturation_") + side] = 0.02 * random.uniform(drawn++);
          for (const char* feature : {"contrast", "entropy"}) {
            json values = json::array();
            for (int k = 0; k < 3; ++k) values.push_back(10 + label + random.normal(drawn++));
            // One picture has no texture, and one offset does not vary.
            values[2] = 4.2;
            const bool none = label == 1 && i == 2 && std::string(side) == "generated";
            row["glcm_values"][feature][side] = none ? json(nullptr) : values;
          }
        }
        images.push_back(std::move(row));
      }
    }
  }
  return {
      {"images", images}, {"n", images.size()}, {"floor", {{"kl_pooled", 0.004}, {"splits", 16}}}};
}

}  // namespace sarsweep::stats
