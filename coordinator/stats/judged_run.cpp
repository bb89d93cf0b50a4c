#include "coordinator/stats/judged_run.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include <nlohmann/json.hpp>

#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::stats {
namespace {

using nlohmann::json;

constexpr std::size_t kMostBins = 65536;
constexpr std::size_t kMostTexture = 4096;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid, "the result document: " + message, "images");
}

// One side of a picture.
struct Pixels {
  std::vector<std::uint32_t> counts;
  double saturation = 0;  // the share
  double kept() const {
    double sum = 0;
    for (const std::uint32_t count : counts) sum += count;
    return sum;
  }
};

struct Picture {
  ImageName image;
  Pixels real, generated;
  std::optional<Texture> real_texture, generated_texture;
  std::map<std::string, double> numbers;
};

std::vector<std::uint32_t> counts_of(const json& row, const char* key) {
  std::vector<std::uint32_t> counts;
  const auto found = row.find(key);
  if (found == row.end() || !found->is_array()) return counts;
  if (found->size() > kMostBins) refuse(std::string(key) + " has too many bins");
  counts.reserve(found->size());
  for (const json& value : *found) {
    const auto count = whole_number(value);
    if (!count || *count < 0 || *count > std::numeric_limits<std::uint32_t>::max()) {
      refuse(std::string(key) + " holds " + value.dump() + ", which is no count of pixels");
    }
    counts.push_back(static_cast<std::uint32_t>(*count));
  }
  return counts;
}

double share_of(const json& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end() || !found->is_number()) return 0;
  const double share = found->get<double>();
  if (!(share >= 0 && share <= 1)) refuse(std::string(key) + " is no share: " + found->dump());
  return share;
}

// One side of {feature: {side: [number]}}; nullopt where a feature has none.
std::optional<Texture> texture_of(const json& row, const char* side) {
  const auto found = row.find("glcm_values");
  if (found == row.end() || !found->is_object() || found->empty()) return std::nullopt;
  Texture texture;
  for (const auto& [feature, sides] : found->items()) {
    const auto values = sides.is_object() ? sides.find(side) : sides.end();
    if (values == sides.end() || !values->is_array()) return std::nullopt;
    if (texture.size() + values->size() > kMostTexture) refuse("a texture has too many values");
    for (const json& value : *values) {
      if (!value.is_number()) refuse("a texture holds " + value.dump());
      texture.push_back(value.get<double>());
    }
  }
  return texture;
}

std::string text_of(const json& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end() || !found->is_string()) refuse(std::string("an image has no ") + key);
  return found->get<std::string>();
}

Picture picture_of(const json& row) {
  if (!row.is_object()) refuse("an image is no object");
  Picture picture;
  picture.image = {text_of(row, "label"), text_of(row, "file_name")};
  picture.real = {counts_of(row, "histogram_real"), share_of(row, "saturation_real")};
  picture.generated = {counts_of(row, "histogram_generated"),
                       share_of(row, "saturation_generated")};
  picture.real_texture = texture_of(row, "real");
  picture.generated_texture = texture_of(row, "generated");
  for (const char* key : {"rank_mid", "rank_strict", "cosine"}) {
    const auto found = row.find(key);
    if (found != row.end() && found->is_number()) picture.numbers[key] = found->get<double>();
  }
  return picture;
}

// The number of saturated pixels, which the document gives as a share of all; `pixels` where all
// are.
double saturated_pixels(const Pixels& side, double pixels) {
  if (side.saturation >= 1) return pixels;
  return std::floor(side.kept() * side.saturation / (1 - side.saturation) + 0.5);
}

double most_pixels(const std::vector<Picture>& pictures) {
  double most = 1;
  for (const Picture& picture : pictures) {
    for (const Pixels* side : {&picture.real, &picture.generated}) {
      if (side->saturation < 1) {
        most = std::max(most, side->kept() + saturated_pixels(*side, 0));
      }
    }
  }
  return most;
}

void add_counts(const std::vector<std::uint32_t>& counts, std::uint32_t* into) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::uint64_t sum = std::uint64_t{into[i]} + counts[i];
    if (sum > std::numeric_limits<std::uint32_t>::max()) refuse("an image has too many pixels");
    into[i] = static_cast<std::uint32_t>(sum);
  }
}

// Leaves no bins where a picture has no histogram.
std::size_t common_bins(const std::vector<Picture>& pictures) {
  const std::size_t bins = pictures.front().real.counts.size();
  bool absent = false;
  bool different = false;
  for (const Picture& picture : pictures) {
    for (const Pixels* side : {&picture.real, &picture.generated}) {
      absent = absent || side->counts.empty();
      different = different || side->counts.size() != bins;
    }
  }
  if (absent) return 0;
  if (different) refuse("its histograms differ in their bins");
  return bins;
}

std::vector<std::string> common_numbers(const std::vector<Picture>& pictures) {
  std::vector<std::string> names;
  for (const auto& [name, value] : pictures.front().numbers) {
    const bool everywhere = std::all_of(
        pictures.begin(), pictures.end(),
        [&name = name](const Picture& picture) { return picture.numbers.contains(name); });
    if (everywhere) names.push_back(name);
  }
  return names;
}

// Every image once; the label stays that of its first picture's row.
ImageSet images_of(const std::vector<Picture>& pictures) {
  std::vector<ImageName> names;
  for (const Picture& picture : pictures) names.push_back(picture.image);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return ImageSet(std::move(names));
}

void take_numbers(const json& document, JudgedRun& run) {
  for (const auto& [key, value] : document.items()) {
    if (value.is_number()) run.reported[key] = value.get<double>();
  }
  const json labels = document.value("kl_per_label", json::object());
  for (const auto& [label, value] : labels.items()) {
    if (value.is_number()) run.reported["kl_per_label/" + label] = value.get<double>();
  }
  const json rank = document.value("clip_rank", json());
  if (rank.is_object() && rank.contains("expected_mean") && rank["expected_mean"].is_number()) {
    run.reported["clip_rank"] = rank["expected_mean"].get<double>();
  }
  const json floor = document.value("floor", json::object());
  if (!floor.is_object()) return;
  for (const auto& [key, value] : floor.items()) {
    if (value.is_number()) run.floor[key] = value.get<double>();
  }
}

// Ties count as the protocol's rank_ties says, which the document does not name: of the three ways
// the one whose mean is the reported rank.
void take_ranks(JudgedRun& run) {
  const auto mid = run.numbers.find("rank_mid");
  if (mid == run.numbers.end()) return;
  const auto reported = run.reported.find("clip_rank");
  std::vector<std::vector<double>> ways = {mid->second};
  const auto strict = run.numbers.find("rank_strict");
  if (strict != run.numbers.end()) {
    ways.push_back(strict->second);
    std::vector<double>& pessimistic = ways.emplace_back(mid->second);
    for (std::size_t i = 0; i < pessimistic.size(); ++i) {
      pessimistic[i] = 2 * mid->second[i] - strict->second[i];
    }
  }
  const double pictures = std::accumulate(run.pictures.begin(), run.pictures.end(), 0.0);
  for (std::vector<double>& ranks : ways) {
    const double mean = std::accumulate(ranks.begin(), ranks.end(), 0.0) / pictures;
    if (reported != run.reported.end() && !alike(mean, reported->second)) continue;
    run.numbers["rank"] = std::move(ranks);
    return;
  }
}

JudgedRun sum_up(const std::vector<Picture>& pictures) {
  JudgedRun run;
  run.images = images_of(pictures);
  run.bins = common_bins(pictures);
  const std::size_t n = run.images.size();
  run.pictures.resize(n);
  run.counts.resize(n * 2 * run.bins);
  run.saturated_real.resize(n);
  run.saturated_generated.resize(n);
  const std::vector<std::string> names = common_numbers(pictures);
  for (const std::string& name : names) run.numbers[name].resize(n);
  run.textures = Textures(run.images);
  const double most = most_pixels(pictures);
  for (const Picture& picture : pictures) {
    const std::size_t i = run.images.index(picture.image);
    run.pictures[i] += 1;
    if (run.bins > 0) {
      add_counts(picture.real.counts, run.counts.data() + i * 2 * run.bins);
      add_counts(picture.generated.counts, run.counts.data() + (i * 2 + 1) * run.bins);
      run.saturated_real[i] += saturated_pixels(picture.real, most);
      run.saturated_generated[i] += saturated_pixels(picture.generated, most);
    }
    for (const std::string& name : names) run.numbers[name][i] += picture.numbers.at(name);
    run.textures.add(i, picture.real_texture, picture.generated_texture);
  }
  run.textures.close(run.images);
  return run;
}

}  // namespace

std::optional<JudgedRun> read_result(const json& document) {
  if (!document.is_object()) refuse("it is no object");
  const auto rows = document.find("images");
  if (rows == document.end() || !rows->is_array() || rows->empty()) return std::nullopt;
  std::vector<Picture> pictures;
  pictures.reserve(rows->size());
  for (const json& row : *rows) pictures.push_back(picture_of(row));
  JudgedRun run = sum_up(pictures);
  take_numbers(document, run);
  take_ranks(run);
  return run;
}

bool alike(double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(b) + 1e-12; }

}  // namespace sarsweep::stats
