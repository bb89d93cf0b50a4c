#include "trainer/core/metrics/metric_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "schema/base/error.h"
#include "trainer/core/metrics/texture_windows.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& key, const std::string& message) {
  throw Error(ErrorCode::invalid, key + " " + message, "eval." + key);
}

const json* find_value(const json& protocol, const std::string& key) {
  const auto found = protocol.find(key);
  return found == protocol.end() || found->is_null() ? nullptr : &*found;
}

template <typename T>
T value_of(const json& protocol, const std::string& key, T otherwise) {
  const json* value = find_value(protocol, key);
  if (value == nullptr) return otherwise;
  try {
    return value->get<T>();
  } catch (const json::exception&) {
    refuse(key, fmt::format("cannot be {}", value->dump()));
  }
}

// 45 or 45.0: lists of a resolved protocol hold doubles.
int whole(const json& value, const std::string& key, int low, int high) {
  const double number = value.is_number() ? value.get<double>() : NAN;
  if (!(number >= low && number <= high) || number != std::floor(number)) {
    refuse(key, fmt::format("{} must be a whole number from {} to {}", value.dump(), low, high));
  }
  return static_cast<int>(number);
}

int whole_of(const json& protocol, const std::string& key, int low, int high, int otherwise) {
  const json* value = find_value(protocol, key);
  return value == nullptr ? otherwise : whole(*value, key, low, high);
}

std::vector<int> whole_list(const json& protocol, const std::string& key, int low, int high,
                            std::vector<int> otherwise) {
  const json* list = find_value(protocol, key);
  if (list == nullptr) return otherwise;
  if (!list->is_array() || list->empty() || list->size() > 16) {
    refuse(key, fmt::format("{} must be a list of 1 to 16 numbers", list->dump()));
  }
  std::vector<int> numbers;
  for (const json& item : *list) {
    const int number = whole(item, key, low, high);
    if (std::find(numbers.begin(), numbers.end(), number) != numbers.end()) {
      refuse(key, fmt::format("holds {} twice", number));
    }
    numbers.push_back(number);
  }
  return numbers;
}

GlcmRules parse_glcm(const json& protocol) {
  GlcmRules rules;
  rules.levels = whole_of(protocol, "glcm_levels", 2, 256, 32);
  const auto distances = whole_list(protocol, "glcm_distances", 1, kWindowSide / 2, {1, 2, 4, 8});
  const auto angles = whole_list(protocol, "glcm_angles", 0, 179, {0, 45, 90, 135});
  for (const int distance : distances) {
    for (const int angle : angles) rules.offsets.emplace_back(distance, angle);
  }
  for (const GlcmOffset& offset : rules.offsets) {
    const auto same = std::find_if(rules.distinct.begin(), rules.distinct.end(),
                                   [&](const GlcmOffset& known) { return known.same_as(offset); });
    rules.place.push_back(static_cast<std::size_t>(same - rules.distinct.begin()));
    if (same == rules.distinct.end()) rules.distinct.push_back(offset);
  }
  return rules;
}

RankRules parse_rank(const json& protocol) {
  return {.mode = parse_rank_mode(value_of(protocol, "rank_mode", std::string("expected"))),
          .ties = parse_rank_ties(value_of(protocol, "rank_ties", std::string("mid"))),
          .pool = whole_of(protocol, "rank_pool", 2, 1000, 16)};
}

}  // namespace

bool names_files(const std::string& masks) { return !masks.empty() && masks != "builtin"; }

MetricRules parse_metric_rules(const json& protocol) {
  MetricRules rules{
      .bins = whole_of(protocol, "bins", 2, 65536, 256),
      .bits = whole_of(protocol, "bits", 8, 16, 0),
      .saturation = value_of(protocol, "saturation", 0.999),
      .smoothing = parse_smoothing(value_of(protocol, "smoothing", std::string("eps"))),
      .rank = parse_rank(protocol),
      .glcm = parse_glcm(protocol),
      .masks = value_of(protocol, "masks", std::string()),
      .names_judge = find_value(protocol, "clip") != nullptr};
  if (rules.bits != 0 && rules.bits != 8 && rules.bits != 16) {
    refuse("bits", fmt::format("{} must be 8 or 16", rules.bits));
  }
  return rules;
}

}  // namespace sarsweep::trainer
