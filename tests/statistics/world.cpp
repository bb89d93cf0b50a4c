#include "tests/statistics/world.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "coordinator/stats/probability.h"
#include "schema/base/philox.h"
#include "tests/statistics/caption_ranks.h"
#include "tests/statistics/simulated_textures.h"

namespace sarsweep::statistics {
namespace {

using stats::fed;
using stats::KlSum;
using stats::Smoothing;

constexpr std::uint64_t kKey = 20'260;
constexpr std::size_t kBins = Speckle::kBins;
constexpr double kPrompt = 0.6;    // of a picture's variance: what its prompt does to every model's
constexpr double kContrast = 0.6;  // SD of the logarithm of an image's contrast
constexpr double kRankNoise = 1.6;   // of an embedding, relative to its caption's
constexpr double kRankTraining = 1;  // what a training adds to the logarithm of that, by its gain

constexpr int kNodes = 40;  // of a table of truths, to either side

struct Label {
  const char* name;
  double kl;       // pooled over its images
  double gain;     // of its real images
  double texture;  // shape of the gamma distribution
};
constexpr std::array<Label, 11> kLabels = {{{"forest", 1.30, 0.0, 6},
                                            {"city", 0.35, -0.35, 0.7},
                                            {"field", 0.17, 0.0, 8},
                                            {"port", 1.02, -0.45, 0.8},
                                            {"airport", 0.18, -0.15, 3},
                                            {"mountains", 0.73, -0.2, 1.5},
                                            {"structures", 0.30, -0.2, 2},
                                            {"seacoast", 0.36, -0.1, 1.5},
                                            {"beach", 0.31, -0.1, 2},
                                            {"industrial", 0.23, -0.5, 0.7},
                                            {"residential", 0.14, -0.25, 1.5}}};

struct Pixels {
  std::vector<double> shares;
  double saturation = 0;
};

// The mean of a histogram over images whose log-gain is normal; exact for the table's steps.
Pixels mixture(const Speckle& speckle, double mean, double deviation) {
  Pixels out{std::vector<double>(kBins), 0};
  double below = 0;
  for (int step = -Speckle::kReach; step <= Speckle::kReach; ++step) {
    const double edge = (step + 0.5) * Speckle::kStep;
    const double above = step == Speckle::kReach ? 1 : stats::normal_cdf((edge - mean) / deviation);
    const double weight = above - below;
    below = above;
    if (weight < 1e-15) continue;
    for (std::size_t k = 0; k < kBins; ++k) out.shares[k] += weight * speckle.shares(step)[k];
    out.saturation += weight * speckle.saturation(step);
  }
  return out;
}

// As if of so many pixels that no smoothing matters but that of the protocol.
double kl_of(const std::vector<double>& real, const std::vector<double>& generated) {
  double p = 0;
  double q = 0;
  for (std::size_t k = 0; k < kBins; ++k) {
    p += real[k];
    q += generated[k];
  }
  return fed(KlSum(p, q, kBins, Smoothing::eps), real.data(), generated.data(), kBins);
}

double wasserstein_of(const std::vector<double>& real, const std::vector<double>& generated) {
  double p = 0;
  double q = 0;
  for (std::size_t k = 0; k < kBins; ++k) {
    p += real[k];
    q += generated[k];
  }
  return fed(stats::WassersteinSum(p, q, kBins), real.data(), generated.data(), kBins);
}

// The error, towards the dark, with which a label's divergence is the wanted one.
double error_of(const Speckle& speckle, const Label& label, double deviation) {
  const Pixels real = mixture(speckle, label.gain, deviation);
  double low = -2;
  double high = 0;
  for (int i = 0; i < 30; ++i) {
    const double middle = (low + high) / 2;
    const Pixels generated = mixture(speckle, label.gain + middle, deviation);
    (kl_of(real.shares, generated.shares) > label.kl ? low : high) = middle;
  }
  return (low + high) / 2;
}

// Poisson: by inversion, or its normal limit.
double drawn_count(double mean, const RandomStream& random, std::uint64_t i) {
  if (mean > 50) return std::max(0.0, std::round(mean + std::sqrt(mean) * random.normal(i)));
  double term = std::exp(-mean);
  double left = random.uniform(i);
  double count = 0;
  while (left > term && count < 1000) {
    left -= term;
    term *= mean / ++count;
  }
  return count;
}

double deep_mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// What the trainer would report.
double pooled_kl(const stats::JudgedRun& run, Smoothing smoothing) {
  std::vector<double> pooled(2 * kBins);
  for (std::size_t k = 0; k < run.counts.size(); ++k) pooled[k % pooled.size()] += run.counts[k];
  double p = 0;
  double q = 0;
  for (std::size_t k = 0; k < kBins; ++k) {
    p += pooled[k];
    q += pooled[kBins + k];
  }
  return fed(KlSum(p, q, kBins, smoothing), pooled.data(), pooled.data() + kBins, kBins);
}

std::uint64_t stream(std::uint64_t study, std::uint64_t model, std::uint64_t seed) {
  return study << 16U | model << 8U | seed;
}

}  // namespace

const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> kNames = {
      "kl_pooled", "kl_label_mean", "wasserstein1_pooled", "saturation_generated",
      "clip_rank", "contrast",      "glcm_distance"};
  return kNames;
}

stats::Statistic statistic(const std::string& metric) {
  if (metric == "contrast") return {stats::Measure::mean, stats::Scope::pooled, "", metric};
  return stats::statistic_of(metric).value();
}

World::World(const WorldOptions& options) : options_(options) {
  std::vector<stats::ImageName> names;
  for (const Label& label : kLabels) {
    for (std::size_t i = 0; i < options_.per_label; ++i) {
      names.push_back({label.name, std::to_string(i) + ".png"});
    }
  }
  images_ = stats::ImageSet(std::move(names));
  for (const stats::ImageSet::Stratum& stratum : images_.strata()) {
    const auto label = std::find_if(kLabels.begin(), kLabels.end(),
                                    [&](const Label& each) { return each.name == stratum.label; });
    speckle_.emplace_back(label->texture);
    real_.push_back(label->gain);
    error_.push_back(error_of(speckle_.back(), *label, options_.gain));
  }
}

double World::training(std::uint64_t study, std::uint64_t model, std::uint64_t seed) const {
  const RandomStream random(kKey, "training", stream(study, model, seed));
  return options_.training * random.normal(0);
}

stats::JudgedRun World::judge(std::uint64_t study, std::uint64_t model, std::uint64_t seed,
                              const Model& what) const {
  const RandomStream real(kKey, "real", study);
  const RandomStream prompt(kKey, "prompt", study);
  const RandomStream picture(kKey, "picture", stream(study, model, seed));
  const RandomStream shots(kKey, "shots", stream(study, model, seed));
  const RandomStream real_shots(kKey, "shots of real images", study);
  const double trained = training(study, model, seed);
  stats::JudgedRun run;
  run.images = images_;
  run.bins = kBins;
  const std::size_t n = images_.size();
  run.pictures.assign(n, 1);
  run.counts.resize(n * 2 * kBins);
  run.saturated_real.resize(n);
  run.saturated_generated.resize(n);
  std::vector<double>& contrast = run.numbers["contrast"];
  const auto fill = [&](const Speckle& speckle, double gain, const RandomStream& noise,
                        std::size_t row) {
    const int step = Speckle::step(gain);
    for (std::size_t k = 0; k < kBins; ++k) {
      const double mean = options_.pixels * speckle.shares(step)[k];
      const double count =
          options_.shot_noise ? drawn_count(mean, noise, row * kBins + k) : std::round(mean);
      run.counts[row * kBins + k] = static_cast<std::uint32_t>(count);
    }
    const double mean = options_.pixels * speckle.saturation(step);
    return options_.shot_noise ? drawn_count(mean, noise, 2 * n * kBins + row) : std::round(mean);
  };
  for (std::size_t s = 0; s < images_.strata().size(); ++s) {
    for (std::size_t i = images_.strata()[s].begin; i < images_.strata()[s].end; ++i) {
      run.saturated_real[i] =
          fill(speckle_[s], real_[s] + options_.gain * real.normal(i), real_shots, 2 * i);
      const auto mixed = [&](std::size_t place) {
        return std::sqrt(kPrompt) * prompt.normal(place) +
               std::sqrt(1 - kPrompt) * picture.normal(place);
      };
      const double gain = real_[s] + error_[s] + what.shift + trained + options_.gain * mixed(i);
      run.saturated_generated[i] = fill(speckle_[s], gain, shots, 2 * i + 1);
      contrast.push_back(std::exp(real_[s] + what.shift + trained + kContrast * mixed(n + i)));
    }
  }
  const auto& metrics = options_.metrics;
  const auto asked = [&](const char* metric) {
    return std::find(metrics.begin(), metrics.end(), metric) != metrics.end();
  };
  if (asked("glcm_distance")) {
    run.textures = simulated_textures(
        images_, kPrompt, std::exp(-what.shift - trained),
        {RandomStream(kKey, "texture", study), RandomStream(kKey, "prompt's texture", study),
         RandomStream(kKey, "picture's texture", stream(study, model, seed))});
  }
  const double noise = kRankNoise * std::exp(what.quality + kRankTraining * trained);
  if (asked("clip_rank"))
    run.numbers["rank"] = caption_ranks(
        images_, kPrompt, noise,
        {RandomStream(kKey, "captions", study), RandomStream(kKey, "prompt's embedding", study),
         RandomStream(kKey, "embedding", stream(study, model, seed))});
  run.reported["kl_pooled"] = pooled_kl(run, options_.smoothing);
  return run;
}

double World::truth(const std::string& metric, const Model& what, double training) const {
  if (metric == "clip_rank") {
    const double noise = kRankNoise * std::exp(what.quality + kRankTraining * training);
    return true_caption_rank(images_, noise, options_.judged);
  }
  if (metric == "glcm_distance") {
    return true_texture_distance(images_, std::exp(-what.shift - training));
  }
  std::vector<double> labels;
  std::vector<double> real(kBins);
  std::vector<double> generated(kBins);
  for (std::size_t s = 0; s < real_.size(); ++s) {
    const double moved = what.shift + training;
    if (metric == "contrast") {
      labels.push_back(std::exp(real_[s] + moved + kContrast * kContrast / 2));
      continue;
    }
    const Pixels p = mixture(speckle_[s], real_[s], options_.gain);
    const Pixels q = mixture(speckle_[s], real_[s] + error_[s] + moved, options_.gain);
    if (metric == "saturation_generated") labels.push_back(q.saturation);
    if (metric == "kl_label_mean") labels.push_back(kl_of(p.shares, q.shares));
    for (std::size_t k = 0; k < kBins; ++k) {
      real[k] += p.shares[k];
      generated[k] += q.shares[k];
    }
  }
  if (metric == "kl_pooled") return kl_of(real, generated);
  if (metric == "wasserstein1_pooled") return wasserstein_of(real, generated);
  return deep_mean(labels);
}

// Ranks are dear, and bend little: they are known at three places of the table.
Truth::Truth(const World& world, const Model& what)
    : reach_(4 * std::max(world.options().training, 1e-3)) {
  for (const std::string& metric : world.options().metrics) {
    std::vector<double>& values = values_[metric];
    const auto at = [&](int i) { return world.truth(metric, what, reach_ * i / kNodes); };
    if (metric != "clip_rank") {
      for (int i = -kNodes; i <= kNodes; ++i) values.push_back(at(i));
      continue;
    }
    const double low = at(-kNodes / 2), middle = at(0), high = at(kNodes / 2);
    for (int i = -kNodes; i <= kNodes; ++i) {
      const double x = 2.0 * i / kNodes;
      values.push_back(middle + (high - low) / 2 * x + (high - 2 * middle + low) / 2 * x * x);
    }
  }
}

double Truth::of_training(const std::string& metric, double training) const {
  const std::vector<double>& values = values_.at(metric);
  const double place = std::clamp(kNodes * (training / reach_ + 1), 0.0, 2 * kNodes - 1e-9);
  const auto node = static_cast<std::size_t>(place);
  return values[node] + (place - static_cast<double>(node)) * (values[node + 1] - values[node]);
}

double Truth::mean(const std::string& metric) const {
  const std::vector<double>& values = values_.at(metric);
  double sum = 0;
  double weights = 0;
  for (int i = -kNodes; i <= kNodes; ++i) {
    const double z = 4.0 * i / kNodes;  // the reach is four standard deviations
    const double weight = std::exp(-z * z / 2);
    sum += weight * values[static_cast<std::size_t>(i + kNodes)];
    weights += weight;
  }
  return sum / weights;
}

}  // namespace sarsweep::statistics
