#include "trainer/core/metrics/texture_result.h"

#include <fmt/format.h>

#include <map>
#include <string>

#include "trainer/core/metrics/texture_metrics.h"
#include "trainer/core/metrics/texture_windows.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;
using Side = std::optional<PictureMeasures> MeasuredPair::*;
using Levels = std::optional<Texture> PictureMeasures::*;

std::vector<TexturePair> textures(const std::vector<MeasuredPair>& pairs, Levels levels) {
  std::vector<TexturePair> rows;
  for (const MeasuredPair& pair : pairs) {
    rows.push_back({pair.label, (*pair.real).*levels, (*pair.generated).*levels});
  }
  return rows;
}

json values_of(const Texture& texture, std::size_t feature, std::size_t offsets) {
  const auto begin = texture.begin() + static_cast<std::ptrdiff_t>(feature * offsets);
  return std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(offsets));
}

json mean_features(const std::optional<Texture>& texture, std::size_t offsets) {
  if (!texture) return nullptr;
  json features = json::object();
  for (std::size_t f = 0; f < kGlcmFeatureNames.size(); ++f) {
    double sum = 0;
    for (std::size_t o = 0; o < offsets; ++o) sum += (*texture)[f * offsets + o];
    features[std::string(kGlcmFeatureNames[f])] = sum / static_cast<double>(offsets);
  }
  return features;
}

json image_values(const TexturePair& pair, std::size_t offsets) {
  json values = json::object();
  for (std::size_t f = 0; f < kGlcmFeatureNames.size(); ++f) {
    json& feature = values[std::string(kGlcmFeatureNames[f])];
    feature["real"] = pair.real ? values_of(*pair.real, f, offsets) : json(nullptr);
    feature["generated"] = pair.generated ? values_of(*pair.generated, f, offsets) : json(nullptr);
  }
  return values;
}

void add_image_values(const std::vector<TexturePair>& rows, const GlcmRules& rules, json& images) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    images[i]["glcm"] = mean_features(rows[i].generated, rules.distinct.size());
    images[i]["glcm_real"] = mean_features(rows[i].real, rules.distinct.size());
    images[i]["glcm_values"] = image_values(rows[i], rules.distinct.size());
  }
}

TextureDistance distance_of(const std::vector<TexturePair>& rows) {
  struct Sides {
    int images = 0;
    TextureDistance::Textures real, generated;
  };
  std::map<std::string, Sides> labels;
  for (const TexturePair& row : rows) {
    Sides& sides = labels[row.label];
    ++sides.images;
    if (row.real) sides.real.push_back(&*row.real);
    if (row.generated) sides.generated.push_back(&*row.generated);
  }
  TextureDistance distance;
  for (const auto& [label, sides] : labels) {
    if (sides.images >= kSmallLabel) distance.add(sides.real, sides.real, sides.generated);
  }
  return distance;
}

// How many pictures of a side were measured, and in how many windows.
json window_counts(const std::vector<MeasuredPair>& pairs, Side side) {
  int measured = 0;
  int windows = 0;
  int shorter = 0;
  int without_mask = 0;
  for (const MeasuredPair& pair : pairs) {
    const PictureMeasures& picture = *(pair.*side);
    if (picture.texture) ++measured;
    if (picture.texture) windows += picture.windows;
    if (picture.texture && picture.shorter_windows) ++shorter;
    if (picture.without_mask) ++without_mask;
  }
  return {{"images", measured},
          {"skipped", static_cast<int>(pairs.size()) - measured},
          {"without_mask", without_mask},
          {"windows", windows},
          {"whole_axis", shorter}};
}

void warn_of_skipped(const json& counts, const std::string& side, std::size_t n, json& warnings) {
  if (counts["skipped"] == 0) return;
  warnings.push_back(fmt::format(
      "{} of {} {} pictures hold no window of {} x {} pixels inside their mask ({} have no mask), "
      "or windows too small for the distances: they have no texture",
      counts["skipped"].get<int>(), n, side, kWindowSide, kWindowSide,
      counts["without_mask"].get<int>()));
}

const char* mask_source(const MetricRules& rules) {
  if (rules.masks.empty()) return "none";
  return rules.masks == "builtin" ? "builtin" : "files";
}

}  // namespace

void add_texture_metrics(const std::vector<MeasuredPair>& pairs, const MetricRules& rules,
                         json& result) {
  const std::vector<TexturePair> rows = textures(pairs, &PictureMeasures::texture);
  result["glcm"] = texture_table(rows, rules.glcm, rules.glcm.levels);
  result["glcm_256"] =
      rules.glcm.levels == kFineLevels
          ? result["glcm"]
          : texture_table(textures(pairs, &PictureMeasures::fine_texture), rules.glcm, kFineLevels);
  result["glcm_offsets"] = offset_table(rules.glcm);
  const TextureDistance distance = distance_of(rows);
  const std::optional<double> mean = distance.mean();
  result["glcm_distance"] = mean ? json(*mean) : json(nullptr);
  result["mask_source"] = mask_source(rules);
  result["glcm_windows"] = {{"side", kWindowSide},
                            {"stride", kWindowStride},
                            {"per_image", kMostWindows},
                            {"real", window_counts(pairs, &MeasuredPair::real)},
                            {"generated", window_counts(pairs, &MeasuredPair::generated)}};
  for (const char* side : {"real", "generated"}) {
    warn_of_skipped(result["glcm_windows"][side], side, pairs.size(), result["warnings"]);
  }
  if (distance.left_out() > 0) {
    result["warnings"].push_back(fmt::format(
        "glcm_distance leaves out {} values that do not vary over the real pictures of a label",
        distance.left_out()));
  }
  add_image_values(rows, rules.glcm, result["images"]);
}

}  // namespace sarsweep::trainer
