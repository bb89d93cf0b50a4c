#include "trainer/core/metrics/evaluation.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/metrics/autocorrelation.h"
#include "trainer/core/metrics/clip_metrics.h"
#include "trainer/core/metrics/divergence.h"
#include "trainer/core/metrics/floor.h"
#include "trainer/core/metrics/in_parallel.h"
#include "trainer/core/metrics/picture_measures.h"
#include "trainer/core/metrics/side_metrics.h"
#include "trainer/core/metrics/texture_result.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr int kMetricVersion = 2;  // Raised when a definition changes: enters every protocol hash.

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid, message); }

json or_null(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

struct Sides {
  AmplitudeHistogram real, generated;
  int n = 0;
  void add(const MeasuredPair& pair) {
    real.add(pair.real->histogram);
    generated.add(pair.generated->histogram);
    ++n;
  }
};

// The histograms of an evaluation, per label and pooled.
struct Pools {
  Sides all;
  std::map<std::string, Sides> labels;
};

std::vector<MeasuredPair> measure(const EvaluationInput& input, const PictureMeter& meter) {
  std::vector<MeasuredPair> measured(input.pairs.size());
  in_parallel(2 * input.pairs.size(), input.threads, [&](std::size_t i) {
    const EvaluationPair& pair = input.pairs[i / 2];
    MeasuredPair& row = measured[i / 2];
    if (i % 2 == 0) {
      row.real = meter.measure(pair.real, pair.file_name, PairSide::real);
    } else {
      row.generated = meter.measure(pair.generated, pair.file_name, PairSide::generated);
    }
  });
  for (std::size_t i = 0; i < measured.size(); ++i) measured[i].label = input.pairs[i].label;
  return measured;
}

Pools pool(const std::vector<MeasuredPair>& measured, const MetricRules& rules) {
  const AmplitudeHistogram none(rules.bins, rules.saturation);
  Pools pools{.all = {none, none}, .labels = {}};
  for (const MeasuredPair& pair : measured) {
    pools.all.add(pair);
    pools.labels.try_emplace(pair.label, Sides{none, none}).first->second.add(pair);
  }
  return pools;
}

json image_rows(const EvaluationInput& input, const std::vector<MeasuredPair>& measured) {
  json rows = json::array();
  for (std::size_t i = 0; i < input.pairs.size(); ++i) {
    const EvaluationPair& pair = input.pairs[i];
    const AmplitudeHistogram& real = measured[i].real->histogram;
    const AmplitudeHistogram& generated = measured[i].generated->histogram;
    rows.push_back({{"file_name", pair.file_name},
                    {"label", pair.label},
                    {"seed", pair.seed},
                    {"kl", or_null(kl_divergence(real, generated, Smoothing::half))},
                    {"saturation_real", real.saturation()},
                    {"saturation_generated", generated.saturation()},
                    {"histogram_real", real.counts()},
                    {"histogram_generated", generated.counts()}});
  }
  return rows;
}

void add_label_metrics(const Pools& pools, const MetricRules& rules, json& result) {
  double sum = 0;
  int counted = 0;
  result["labels"] = json::object();
  result["kl_per_label"] = json::object();
  for (const auto& [label, sides] : pools.labels) {
    const auto kl = kl_divergence(sides.real, sides.generated, rules.smoothing);
    result["labels"][label] = sides.n;
    result["kl_per_label"][label] = or_null(kl);
    if (sides.n < kSmallLabel) {
      result["warnings"].push_back(
          fmt::format("label '{}' has {} images, under {}: left out of kl_label_mean and "
                      "glcm_distance",
                      label, sides.n, kSmallLabel));
    } else if (kl) {
      sum += *kl;
      ++counted;
    }
  }
  result["kl_label_mean"] = counted > 0 ? json(sum / counted) : json(nullptr);
}

void add_pooled_metrics(const Sides& pooled, const MetricRules& rules, json& result) {
  result["kl_pooled"] = or_null(kl_divergence(pooled.real, pooled.generated, rules.smoothing));
  result["jsd_pooled"] = or_null(js_divergence(pooled.real, pooled.generated));
  result["wasserstein1_pooled"] = or_null(wasserstein1(pooled.real, pooled.generated));
  result["saturation_real"] = pooled.real.saturation();
  result["saturation_generated"] = pooled.generated.saturation();
  if (result["kl_pooled"].is_null()) {
    result["warnings"].push_back(
        "every pixel of one side is saturated: no divergence can be computed");
  }
}

json floor_of(const std::vector<MeasuredPair>& measured, const MetricRules& rules) {
  std::vector<RealPicture> real;
  for (const MeasuredPair& pair : measured) {
    real.push_back({pair.label, pair.real->histogram, pair.real->texture});
  }
  return real_floor(real, rules.smoothing, kSmallLabel);
}

json vae_pass_metrics(const EvaluationInput& input, const PictureMeter& meter, const Sides& pooled,
                      const MetricRules& rules) {
  const std::size_t n = input.vae_pass.size();
  if (n == 0) return nullptr;
  std::vector<std::optional<AmplitudeHistogram>> histograms(n);
  std::vector<std::array<double, kLags.size()>> lags(n);
  in_parallel(n, input.threads, [&](std::size_t i) {
    histograms[i] = meter.histogram(input.vae_pass[i], input.pairs[i].file_name + " (VAE pass)");
    for (std::size_t l = 0; l < kLags.size(); ++l) {
      lags[i][l] = autocorrelation(input.vae_pass[i], kLags[l]);
    }
  });
  AmplitudeHistogram passed(rules.bins, rules.saturation);
  for (const auto& histogram : histograms) passed.add(*histogram);
  return {{"kl_pooled", or_null(kl_divergence(pooled.real, passed, rules.smoothing))},
          {"saturation", passed.saturation()},
          {"autocorrelation", mean_autocorrelation(lags)}};
}

void require_complete(const EvaluationInput& input) {
  if (input.pairs.empty()) refuse("nothing to evaluate: no pair of real and generated picture");
  if (!input.vae_pass.empty() && input.vae_pass.size() != input.pairs.size()) {
    refuse(fmt::format("{} pictures of the VAE pass for {} real ones", input.vae_pass.size(),
                       input.pairs.size()));
  }
}

}  // namespace

json evaluate(const EvaluationInput& input) {
  require_complete(input);
  const MetricRules rules = parse_metric_rules(input.protocol);
  const PictureMeter meter(rules, input.stretch);
  const std::vector<MeasuredPair> measured = measure(input, meter);
  const Pools pools = pool(measured, rules);
  const json hash = input.protocol.value("hash", json(""));
  json result = {{"n", input.pairs.size()},
                 {"protocol_hash", hash},
                 {"stretch", input.stretch.to_json()},
                 {"metric_version", kMetricVersion},
                 {"warnings", input.warnings}};
  add_pooled_metrics(pools.all, rules, result);
  add_label_metrics(pools, rules, result);
  result["floor"] = floor_of(measured, rules);
  add_side_metrics(measured, result);
  result["vae_pass"] = vae_pass_metrics(input, meter, pools.all, rules);
  result["images"] = image_rows(input, measured);
  add_texture_metrics(measured, rules, result);
  add_clip_metrics(input, rules, result);
  return result;
}

std::string protocol_hash(const json& protocol, const std::string& data_digest, int resolution) {
  json rules = protocol;
  rules.erase("name");
  rules.erase("hash");
  const json masks = rules.value("masks", json());
  if (masks.is_string() && names_files(masks)) {
    rules["masks"] = {{"sha256", MaskFiles(masks.get<std::string>()).digest()}};
  }
  return sha256(canonical_json({{"protocol", rules},
                                {"data", data_digest},
                                {"resolution", resolution},
                                {"metric_version", kMetricVersion}}));
}

void check_protocol(const json& protocol) {
  const MetricRules rules = parse_metric_rules(protocol);
  if (names_files(rules.masks)) const MaskFiles masks(rules.masks);
}

Stretch protocol_stretch(const json& protocol, const std::vector<const AmplitudeImage*>& images) {
  AmplitudeStatistics statistics;
  for (const AmplitudeImage* image : images) statistics.add(*image);
  const json scope = protocol.value("stretch_scope", json());
  if (!scope.is_null() && !scope.is_string()) {
    throw Error(ErrorCode::invalid, fmt::format("stretch_scope cannot be {}", scope.dump()),
                "eval.stretch_scope");
  }
  return make_stretch(protocol.value("stretch", json("mean3sigma")),
                      scope.is_null() ? "dataset" : scope.get<std::string>(), statistics.mean(),
                      statistics.sigma());
}

}  // namespace sarsweep::trainer
