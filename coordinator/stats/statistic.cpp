#include "coordinator/stats/statistic.h"

#include <map>

namespace sarsweep::stats {
namespace {

const std::string kPerLabel = "kl_per_label/";

}  // namespace

std::optional<Statistic> statistic_of(const std::string& metric) {
  static const std::map<std::string, Statistic> kKnown = {
      {"kl_pooled", {Measure::kl, Scope::pooled}},
      {"kl_label_mean", {Measure::kl, Scope::label_mean}},
      {"jsd_pooled", {Measure::jsd, Scope::pooled}},
      {"wasserstein1_pooled", {Measure::wasserstein1, Scope::pooled}},
      {"saturation_real", {Measure::saturation_real, Scope::pooled}},
      {"saturation_generated", {Measure::saturation_generated, Scope::pooled}},
      {"glcm_distance", {Measure::texture_distance, Scope::pooled}},
      {"clip_rank_strict", {Measure::mean, Scope::pooled, "", "rank_strict"}},
      {"cosine", {Measure::mean, Scope::pooled, "", "cosine"}},
      {"clip_rank", {Measure::mean, Scope::pooled, "", "rank"}},
  };
  const auto found = kKnown.find(metric);
  if (found != kKnown.end()) return found->second;
  if (metric.compare(0, kPerLabel.size(), kPerLabel) == 0) {
    return Statistic{Measure::kl, Scope::label, metric.substr(kPerLabel.size())};
  }
  return std::nullopt;
}

}  // namespace sarsweep::stats
