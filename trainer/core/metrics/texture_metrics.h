#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/metrics/metric_rules.h"
#include "trainer/core/metrics/picture_measures.h"

namespace sarsweep::trainer {

// The textures of one pair, where they were measured.
struct TexturePair {
  std::string label;
  std::optional<Texture> real, generated;
};

// {label: {feature: {"d,theta_deg": {real, generated}}}}: means over the pictures of a label, null
// where none was measured; every offset named, repeated ones with equal values. Beside the features
// of glcm.h there is contrast_normalised, contrast / (levels - 1)².
nlohmann::json texture_table(const std::vector<TexturePair>& pairs, const GlcmRules& rules,
                             int levels);

// [{key, distance, angle, rows, columns, length, same_as}]: what each key of the table compares;
// `same_as` names the key that has the same pixels, or is null.
nlohmann::json offset_table(const GlcmRules& rules);

// The mean over labels, features and distinct offsets of |mean of `other` - mean of `one`| / SD,
// the population standard deviation over `spread`. Values whose SD is 0 are left out.
class TextureDistance {
 public:
  using Textures = std::vector<const Texture*>;

  // One label's; nothing happens where a set is empty.
  void add(const Textures& spread, const Textures& one, const Textures& other);
  std::optional<double> mean() const;  // nullopt: nothing could be compared
  int left_out() const { return left_out_; }

 private:
  double sum_ = 0;
  int counted_ = 0, left_out_ = 0;
};

}  // namespace sarsweep::trainer
