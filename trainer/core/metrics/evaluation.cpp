#include "trainer/core/metrics/evaluation.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <optional>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/metrics/autocorrelation.h"
#include "trainer/core/metrics/divergence.h"
#include "trainer/core/metrics/floor.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr int kMetricVersion = 1;  // Raised when a definition changes: enters every protocol hash.
constexpr int kSmallLabel = 10;
constexpr int kLags[] = {1, 4};

// The protocol's keys that act here.
struct Rules {
  Stretch stretch;
  int bins;
  int bits;  // 0: not quantised
  double saturation;
  Smoothing smoothing;
};

[[noreturn]] void refuse(const std::string& message, const std::string& field = {}) {
  throw Error(ErrorCode::invalid, message, field);
}

template <typename T>
T protocol_value(const json& protocol, const char* key, T otherwise) {
  const auto found = protocol.find(key);
  if (found == protocol.end() || found->is_null()) return otherwise;
  try {
    return found->get<T>();
  } catch (const json::exception&) {
    refuse(fmt::format("protocol key {} cannot be {}", key, found->dump()),
           std::string("eval.") + key);
  }
}

Rules read_rules(const EvaluationInput& input) {
  const json& protocol = input.protocol;
  const Rules rules{
      .stretch = input.stretch,
      .bins = protocol_value(protocol, "bins", 256),
      .bits = protocol_value(protocol, "bits", 0),
      .saturation = protocol_value(protocol, "saturation", 0.999),
      .smoothing = parse_smoothing(protocol_value(protocol, "smoothing", std::string("eps")))};
  if (rules.bins < 2 || rules.bins > 65536) {
    refuse(fmt::format("bins {} must be 2 to 65536", rules.bins), "eval.bins");
  }
  if (rules.bits != 0 && rules.bits != 8 && rules.bits != 16) {
    refuse(fmt::format("bits {} must be 8 or 16", rules.bits), "eval.bits");
  }
  return rules;
}

// Both sides are rounded to the same codes, so that neither has bins the other cannot reach.
void quantise(AmplitudeImage& stretched, int bits) {
  if (bits == 0) return;
  const double full = bits == 16 ? 65535.0 : 255.0;
  for (float& pixel : stretched.pixels) {
    pixel = static_cast<float>(std::floor(pixel * full + 0.5) / full);
  }
}

AmplitudeHistogram histogram_of(const AmplitudeImage& amplitude, const Rules& rules,
                                const std::string& what) {
  for (const float pixel : amplitude.pixels) {
    if (!std::isfinite(pixel) || pixel < 0) {
      refuse(fmt::format("{}: amplitude {}: a picture to evaluate holds finite numbers from 0 on",
                         what, pixel));
    }
  }
  AmplitudeImage stretched = rules.stretch.forward(amplitude);
  quantise(stretched, rules.bits);
  AmplitudeHistogram histogram(rules.bins, rules.saturation);
  histogram.add(stretched);
  return histogram;
}

json or_null(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

struct Sides {
  AmplitudeHistogram real, generated;
  int n = 0;
  void add(const AmplitudeHistogram& a, const AmplitudeHistogram& b) {
    real.add(a);
    generated.add(b);
    ++n;
  }
};

// The histograms of an evaluation: per image, per label and pooled.
struct Measured {
  Sides pooled;
  std::map<std::string, Sides> labels;
  std::vector<Sides> images;
};

Measured measure(const EvaluationInput& input, const Rules& rules) {
  const AmplitudeHistogram none(rules.bins, rules.saturation);
  Measured measured{.pooled = {none, none}, .labels = {}, .images = {}};
  for (const EvaluationPair& pair : input.pairs) {
    const Sides sides{histogram_of(pair.real, rules, pair.file_name + " (real)"),
                      histogram_of(pair.generated, rules, pair.file_name + " (generated)"), 1};
    measured.pooled.add(sides.real, sides.generated);
    measured.labels.try_emplace(pair.label, Sides{none, none})
        .first->second.add(sides.real, sides.generated);
    measured.images.push_back(sides);
  }
  return measured;
}

json image_rows(const EvaluationInput& input, const Measured& measured) {
  json rows = json::array();
  for (std::size_t i = 0; i < input.pairs.size(); ++i) {
    const EvaluationPair& pair = input.pairs[i];
    const Sides& sides = measured.images[i];
    rows.push_back({{"file_name", pair.file_name},
                    {"label", pair.label},
                    {"seed", pair.seed},
                    {"kl", or_null(kl_divergence(sides.real, sides.generated, Smoothing::half))},
                    {"saturation_real", sides.real.saturation()},
                    {"saturation_generated", sides.generated.saturation()},
                    {"rank_strict", nullptr},
                    {"rank_mid", nullptr},
                    {"cosine", nullptr},
                    {"glcm", nullptr},
                    {"histogram_real", sides.real.counts()},
                    {"histogram_generated", sides.generated.counts()}});
  }
  return rows;
}

void add_label_metrics(const Measured& measured, const Rules& rules, json& result) {
  double sum = 0;
  int counted = 0;
  result["labels"] = json::object();
  result["kl_per_label"] = json::object();
  for (const auto& [label, sides] : measured.labels) {
    const auto kl = kl_divergence(sides.real, sides.generated, rules.smoothing);
    result["labels"][label] = sides.n;
    result["kl_per_label"][label] = or_null(kl);
    if (sides.n < kSmallLabel) {
      result["warnings"].push_back(
          fmt::format("label '{}' has {} images, under {}: left out of kl_label_mean", label,
                      sides.n, kSmallLabel));
    } else if (kl) {
      sum += *kl;
      ++counted;
    }
  }
  result["kl_label_mean"] = counted > 0 ? json(sum / counted) : json(nullptr);
}

void add_pooled_metrics(const Measured& measured, const Rules& rules, json& result) {
  const Sides& pooled = measured.pooled;
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

// Mean over the images, by lag.
template <typename Images, typename Get>
json mean_autocorrelation(const Images& images, Get&& amplitude_of) {
  json by_lag = json::object();
  for (const int lag : kLags) {
    double sum = 0;
    for (const auto& image : images) sum += autocorrelation(amplitude_of(image), lag);
    by_lag[std::to_string(lag)] = sum / static_cast<double>(images.size());
  }
  return by_lag;
}

json vae_pass_metrics(const EvaluationInput& input, const Measured& measured, const Rules& rules) {
  if (input.vae_pass.empty()) return nullptr;
  AmplitudeHistogram passed(rules.bins, rules.saturation);
  for (std::size_t i = 0; i < input.vae_pass.size(); ++i) {
    passed.add(histogram_of(input.vae_pass[i], rules, input.pairs[i].file_name + " (VAE pass)"));
  }
  return {{"kl_pooled", or_null(kl_divergence(measured.pooled.real, passed, rules.smoothing))},
          {"saturation", passed.saturation()},
          {"autocorrelation",
           mean_autocorrelation(
               input.vae_pass,
               [](const AmplitudeImage& image) -> const AmplitudeImage& { return image; })}};
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
  const Rules rules = read_rules(input);
  const Measured measured = measure(input, rules);
  json result = {{"n", input.pairs.size()},
                 {"protocol_hash", protocol_value(input.protocol, "hash", std::string())},
                 {"stretch", rules.stretch.to_json()},
                 {"metric_version", kMetricVersion},
                 {"warnings", json::array()}};
  add_pooled_metrics(measured, rules, result);
  add_label_metrics(measured, rules, result);
  std::vector<LabelledHistogram> real;
  for (std::size_t i = 0; i < input.pairs.size(); ++i) {
    real.push_back({input.pairs[i].label, measured.images[i].real});
  }
  result["floor"] = real_floor(real, rules.smoothing);
  const auto real_of = [](const EvaluationPair& pair) -> const AmplitudeImage& {
    return pair.real;
  };
  const auto generated_of = [](const EvaluationPair& pair) -> const AmplitudeImage& {
    return pair.generated;
  };
  result["autocorrelation_real"] = mean_autocorrelation(input.pairs, real_of);
  result["autocorrelation_generated"] = mean_autocorrelation(input.pairs, generated_of);
  result["vae_pass"] = vae_pass_metrics(input, measured, rules);
  result["images"] = image_rows(input, measured);
  for (const char* later : {"glcm", "glcm_distance", "enl_real", "enl_generated", "spectrum_real",
                            "spectrum_generated", "clip_rank", "clip_rank_per_label", "cosine"}) {
    result[later] = nullptr;
  }
  return result;
}

std::string protocol_hash(const json& protocol, const std::string& data_digest, int resolution) {
  json rules = protocol;
  rules.erase("name");
  rules.erase("hash");
  return sha256(canonical_json({{"protocol", rules},
                                {"data", data_digest},
                                {"resolution", resolution},
                                {"metric_version", kMetricVersion}}));
}

json default_protocol() {
  return {{"name", "sar-v1"},   {"split", "test"}, {"per_label", 30}, {"stretch", "mean3sigma"},
          {"gray", "mean"},     {"bits", 8},       {"bins", 256},     {"smoothing", "eps"},
          {"saturation", 0.999}};
}

Stretch protocol_stretch(const json& protocol, const std::vector<const AmplitudeImage*>& images) {
  AmplitudeStatistics statistics;
  for (const AmplitudeImage* image : images) statistics.add(*image);
  const auto stretch = protocol.find("stretch");
  return make_stretch(stretch == protocol.end() ? json("mean3sigma") : *stretch,
                      protocol_value(protocol, "stretch_scope", std::string("dataset")),
                      statistics.mean(), statistics.sigma());
}

}  // namespace sarsweep::trainer
