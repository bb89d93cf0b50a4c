#include "trainer/core/metrics/texture_metrics.h"

#include <cmath>
#include <map>

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

// A standard deviation below this part of the mean is rounding.
constexpr double kNoSpread = 1e-12;

double mean_at(const TextureDistance::Textures& textures, std::size_t at) {
  double sum = 0;
  for (const Texture* texture : textures) sum += (*texture)[at];
  return sum / static_cast<double>(textures.size());
}

double deviation_at(const TextureDistance::Textures& textures, std::size_t at) {
  const double mean = mean_at(textures, at);
  double squares = 0;
  for (const Texture* texture : textures)
    squares += ((*texture)[at] - mean) * ((*texture)[at] - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(textures.size()));
  return deviation > kNoSpread * std::abs(mean) ? deviation : 0;
}

struct LabelTextures {
  TextureDistance::Textures real, generated;
};

std::map<std::string, LabelTextures> by_label(const std::vector<TexturePair>& pairs) {
  std::map<std::string, LabelTextures> labels;
  for (const TexturePair& pair : pairs) {
    LabelTextures& label = labels[pair.label];
    if (pair.real) label.real.push_back(&*pair.real);
    if (pair.generated) label.generated.push_back(&*pair.generated);
  }
  return labels;
}

json mean_or_null(const TextureDistance::Textures& textures, std::size_t at, double scale) {
  return textures.empty() ? json(nullptr) : json(mean_at(textures, at) * scale);
}

json feature_table(const LabelTextures& label, const GlcmRules& rules, std::size_t feature,
                   double scale) {
  json table = json::object();
  for (std::size_t o = 0; o < rules.offsets.size(); ++o) {
    const std::size_t at = feature * rules.distinct.size() + rules.place[o];
    table[rules.offsets[o].key()] = {{"real", mean_or_null(label.real, at, scale)},
                                     {"generated", mean_or_null(label.generated, at, scale)}};
  }
  return table;
}

}  // namespace

json texture_table(const std::vector<TexturePair>& pairs, const GlcmRules& rules, int levels) {
  const double range = levels - 1;
  json table = json::object();
  for (const auto& [name, label] : by_label(pairs)) {
    for (std::size_t f = 0; f < kGlcmFeatureNames.size(); ++f) {
      table[name][std::string(kGlcmFeatureNames[f])] = feature_table(label, rules, f, 1);
    }
    table[name]["contrast_normalised"] = feature_table(label, rules, 0, 1 / (range * range));
  }
  return table;
}

json offset_table(const GlcmRules& rules) {
  json table = json::array();
  for (std::size_t o = 0; o < rules.offsets.size(); ++o) {
    const GlcmOffset& offset = rules.offsets[o];
    const std::string first = rules.distinct[rules.place[o]].key();
    table.push_back({{"key", offset.key()},
                     {"distance", offset.distance},
                     {"angle", offset.angle_deg},
                     {"rows", offset.rows},
                     {"columns", offset.columns},
                     {"length", offset.length()},
                     {"same_as", first == offset.key() ? json(nullptr) : json(first)}});
  }
  return table;
}

void TextureDistance::add(const Textures& spread, const Textures& one, const Textures& other) {
  if (spread.empty() || one.empty() || other.empty()) return;
  for (std::size_t at = 0; at < spread.front()->size(); ++at) {
    const double deviation = deviation_at(spread, at);
    if (deviation == 0) {
      ++left_out_;
      continue;
    }
    sum_ += std::abs(mean_at(other, at) - mean_at(one, at)) / deviation;
    ++counted_;
  }
}

std::optional<double> TextureDistance::mean() const {
  return counted_ == 0 ? std::nullopt : std::optional<double>(sum_ / counted_);
}

}  // namespace sarsweep::trainer
