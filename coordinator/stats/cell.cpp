#include "coordinator/stats/cell.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "coordinator/stats/noise.h"
#include "coordinator/stats/probability.h"
#include "coordinator/stats/sign_flips.h"

namespace sarsweep::stats {
namespace {

constexpr double kPower = 0.8;

// What images say of one seed's value, or of a paired difference.
struct Images {
  std::vector<double> replicates, influence;
};

struct Term {
  double value = 0;
  std::optional<Images> images;
};

void add(std::vector<double>& sum, const std::vector<float>& values, double weight) {
  sum.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) sum[i] += weight * values[i];
}

// run, or run - base.
Term term_of(const SeedRun& run, const SeedRun* base) {
  Term term{.value = run.value - (base != nullptr ? base->value : 0), .images = std::nullopt};
  if (run.images == nullptr || (base != nullptr && base->images == nullptr)) return term;
  Images& images = term.images.emplace();
  add(images.replicates, run.images->replicates, 1);
  add(images.influence, run.images->influence, 1);
  if (base == nullptr) return term;
  add(images.replicates, base->images->replicates, -1);
  add(images.influence, base->images->influence, -1);
  return term;
}

// Of the mean over the terms; nullopt unless images are known of every one.
std::optional<Images> mean_of(const std::vector<Term>& terms) {
  Images mean;
  const auto n = static_cast<double>(terms.size());
  for (const Term& term : terms) {
    if (!term.images) return std::nullopt;
    mean.replicates.resize(term.images->replicates.size());
    mean.influence.resize(term.images->influence.size());
    for (std::size_t i = 0; i < mean.replicates.size(); ++i) {
      mean.replicates[i] += term.images->replicates[i] / n;
    }
    for (std::size_t i = 0; i < mean.influence.size(); ++i) {
      mean.influence[i] += term.images->influence[i] / n;
    }
  }
  return mean;
}

// Everything that is known of the mean of some terms.
struct Judged {
  double mean = 0;
  std::optional<Images> images;
  std::optional<Noise> noise;
  std::optional<Interval> interval;
};

// The images' interval, each side widened by what training adds: t √((side / z)² + the rest).
Interval widened(const ImageNoise& images, const Noise& noise) {
  const double z = student_critical(1 - kConfidence, std::numeric_limits<double>::infinity());
  const double t = student_critical(1 - kConfidence, noise.degrees);
  const double scale = images.variance > 0 ? std::min(1.0, noise.variance / images.variance) : 0.0;
  const double rest = std::max(0.0, noise.variance - images.variance);
  const auto side = [&](double of_images) {
    return t * std::sqrt(of_images * of_images / (z * z) * scale + rest);
  };
  return {images.centre - side(images.centre - images.interval.low),
          images.centre + side(images.interval.high - images.centre)};
}

Judged judge(const std::vector<Term>& terms, const Resampling* resampling) {
  Judged judged;
  Seeds seeds;
  for (const Term& term : terms) {
    seeds.values.push_back(term.value);
    judged.mean += term.value / static_cast<double>(terms.size());
  }
  if (resampling != nullptr) judged.images = mean_of(terms);
  if (judged.images) {
    for (const Term& term : terms) {
      const auto noise = noise_vector(term.images->influence, resampling->images());
      seeds.noise.emplace_back(noise.begin(), noise.end());
    }
  }
  if (!known(seeds)) return judged;
  judged.noise = noise_of(seeds);
  ImageNoise images{0, judged.mean, {judged.mean, judged.mean}};
  if (judged.images) {
    images =
        image_noise(judged.mean, judged.images->replicates, judged.images->influence, *resampling);
  }
  judged.interval = terms.size() == 1 ? images.interval : widened(images, *judged.noise);
  return judged;
}

double p_of(const Judged& judged) {
  const Noise& noise = *judged.noise;
  if (!(noise.variance > 0)) return judged.mean == 0 ? 1 : 0;
  if (!judged.images || !(noise.images > 0)) {
    return student_two_sided(judged.mean / std::sqrt(noise.variance), noise.degrees);
  }
  // Each image's part of the difference, which is their sum.
  std::vector<double> parts = judged.images->influence;
  double squares = 0;
  for (double& part : parts) {
    part += judged.mean / static_cast<double>(parts.size());
    squares += part * part;
  }
  if (std::isinf(noise.degrees)) return sign_flip_p(parts);
  return sign_flip_p(parts, {std::sqrt(noise.variance / squares), noise.degrees});
}

// How many, where the variance is rest + scaling / many, bring the difference to the standard
// error that finds it at 5 % in four of five studies.
std::optional<double> many_for_power(double delta, double scaling, double rest) {
  const double z = normal_quantile(1 - (1 - kConfidence) / 2) + normal_quantile(kPower);
  const double room = delta * delta / (z * z) - rest;
  if (!(room > 0) || !(scaling > 0)) return std::nullopt;
  return std::ceil(scaling / room);
}

}  // namespace

Estimate estimate(const Cell& cell, const Resampling* resampling) {
  std::vector<Term> terms;
  for (const SeedRun& run : cell) terms.push_back(term_of(run, nullptr));
  const Judged judged = judge(terms, resampling);
  return {judged.mean, judged.interval};
}

std::optional<Comparison> compare(const Cell& cell, const Cell& baseline,
                                  const Resampling* resampling) {
  std::vector<Term> terms;
  for (const SeedRun& run : cell) {
    const auto base = std::find_if(baseline.begin(), baseline.end(),
                                   [&](const SeedRun& other) { return other.seed == run.seed; });
    if (base != baseline.end()) terms.push_back(term_of(run, &*base));
  }
  if (terms.empty()) return std::nullopt;
  const Judged judged = judge(terms, resampling);
  Comparison out{.delta = judged.mean,
                 .seeds = terms.size(),
                 .interval = judged.interval,
                 .p = std::nullopt,
                 .images_for_power = std::nullopt,
                 .seeds_for_power = std::nullopt};
  if (!judged.noise) return out;
  const Noise& noise = *judged.noise;
  out.p = p_of(judged);
  if (judged.images) {
    const auto n = static_cast<double>(judged.images->influence.size());
    out.images_for_power =
        many_for_power(out.delta, n * noise.images, noise.variance - noise.images);
  }
  if (terms.size() > 1) {
    const auto n = static_cast<double>(terms.size());
    out.seeds_for_power = many_for_power(out.delta, n * noise.scatter, noise.shared);
  }
  return out;
}

}  // namespace sarsweep::stats
