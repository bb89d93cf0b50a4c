#include "coordinator/stats/gallery.h"

#include <limits>
#include <numeric>
#include <utility>

namespace sarsweep::stats {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kSmallLabel = 10;  // pictures: fewer are left out of a mean over labels

Needs needs_of(const std::vector<Statistic>& statistics, const JudgedRun& run) {
  Needs needs;
  for (const Statistic& statistic : statistics) {
    const bool texture = statistic.measure == Measure::texture_distance;
    needs.texture = needs.texture || (texture && !run.textures.empty());
    if (run.bins == 0) continue;
    const bool pooled = statistic.scope == Scope::pooled;
    needs.kl = needs.kl || (statistic.measure == Measure::kl && pooled);
    needs.jsd = needs.jsd || statistic.measure == Measure::jsd;
    needs.wasserstein1 = needs.wasserstein1 || statistic.measure == Measure::wasserstein1;
    needs.label_kl = needs.label_kl || (statistic.measure == Measure::kl && !pooled);
  }
  return needs;
}

double ratio(double part, double whole) { return whole > 0 ? part / whole : kNone; }

}  // namespace

void Sums::add(const Sums& other, double weight) {
  pictures += weight * other.pictures;
  real += weight * other.real;
  generated += weight * other.generated;
  saturated_real += weight * other.saturated_real;
  saturated_generated += weight * other.saturated_generated;
  for (std::size_t k = 0; k < numbers.size(); ++k) numbers[k] += weight * other.numbers[k];
}

Divergences::Divergences() : kl(kNone), jsd(kNone), wasserstein1(kNone), texture(kNone) {}

Gallery::Gallery(const JudgedRun& run, std::vector<Statistic> statistics, Smoothing smoothing)
    : run_(run),
      statistics_(std::move(statistics)),
      smoothing_(smoothing),
      needs_(needs_of(statistics_, run)) {
  for (const Statistic& statistic : statistics_) {
    const auto found = run_.numbers.find(statistic.number);
    numbers_.push_back(found == run_.numbers.end() ? nullptr : &found->second);
  }
  const std::size_t width = 2 * run_.bins;
  pooled_ = none();
  pooled_counts_.resize(width);
  parts_.assign(strata().size(), none());
  counts_.assign(strata().size(), std::vector<double>(width));
  for (std::size_t s = 0; s < strata().size(); ++s) {
    for (std::size_t i = strata()[s].begin; i < strata()[s].end; ++i) {
      Sums& image = images_.emplace_back(none());
      image.pictures = run_.pictures[i];
      image.saturated_real = run_.saturated_real[i];
      image.saturated_generated = run_.saturated_generated[i];
      for (std::size_t k = 0; k < width; ++k) {
        const double count = run_.counts[i * width + k];
        counts_[s][k] += count;
        (k < run_.bins ? image.real : image.generated) += count;
      }
      for (std::size_t k = 0; k < numbers_.size(); ++k) {
        if (numbers_[k] != nullptr) image.numbers[k] = (*numbers_[k])[i];
      }
      parts_[s].add(image, 1);
    }
    pooled_.add(parts_[s], 1);
    for (std::size_t k = 0; k < width; ++k) pooled_counts_[k] += counts_[s][k];
  }
  divergences_ = divergences_of(pooled_, pooled_counts_, needs_);
  for (std::size_t s = 0; s < strata().size() && needs_.texture; ++s) {
    Textures::Sums& sums = textures_.emplace_back(run_.textures.none());
    for (std::size_t i = strata()[s].begin; i < strata()[s].end; ++i) {
      run_.textures.add_image(i, 1, sums);
    }
  }
  if (needs_.texture) divergences_.texture = texture_distance(textures_);
  for (std::size_t s = 0; s < strata().size() && needs_.label_kl; ++s) {
    const KlSum sum(parts_[s].real, parts_[s].generated, run_.bins, smoothing_);
    divergences_.label_kl.push_back(
        fed(sum, counts_[s].data(), counts_[s].data() + run_.bins, run_.bins));
  }
}

Sums Gallery::none() const {
  Sums sums;
  sums.numbers.resize(statistics_.size());
  return sums;
}

Divergences Gallery::divergences_of(const Sums& pooled, const std::vector<double>& counts,
                                    const Needs& needs) const {
  Divergences out;
  if (!needs.counts()) return out;
  const double* real = counts.data();
  const double* generated = counts.data() + run_.bins;
  if (needs.kl) {
    out.kl = fed(KlSum(pooled.real, pooled.generated, run_.bins, smoothing_), real, generated,
                 run_.bins);
  }
  if (needs.jsd) out.jsd = fed(JsSum(pooled.real, pooled.generated), real, generated, run_.bins);
  if (needs.wasserstein1) {
    out.wasserstein1 =
        fed(WassersteinSum(pooled.real, pooled.generated, run_.bins), real, generated, run_.bins);
  }
  return out;
}

std::vector<double> Gallery::values(const Sums& pooled, const Divergences& divergences) const {
  std::vector<double> out;
  for (std::size_t k = 0; k < statistics_.size(); ++k) {
    out.push_back(statistics_[k].scope == Scope::pooled
                      ? pooled_value(k, pooled, divergences)
                      : label_value(statistics_[k], divergences.label_kl));
  }
  return out;
}

std::vector<double> Gallery::values() const { return values(pooled_, divergences_); }

double Gallery::pooled_value(std::size_t k, const Sums& sums,
                             const Divergences& divergences) const {
  switch (statistics_[k].measure) {
    case Measure::kl: return divergences.kl;
    case Measure::jsd: return divergences.jsd;
    case Measure::wasserstein1: return divergences.wasserstein1;
    case Measure::texture_distance: return divergences.texture;
    case Measure::saturation_real:
      return ratio(sums.saturated_real, sums.real + sums.saturated_real);
    case Measure::saturation_generated:
      return ratio(sums.saturated_generated, sums.generated + sums.saturated_generated);
    case Measure::mean:
      return numbers_[k] == nullptr ? kNone : ratio(sums.numbers[k], sums.pictures);
  }
  return kNone;
}

double Gallery::label_value(const Statistic& statistic, const std::vector<double>& label_kl) const {
  if (label_kl.empty()) return kNone;
  double sum = 0;
  double labels = 0;
  for (std::size_t s = 0; s < strata().size(); ++s) {
    if (strata()[s].label.empty()) continue;
    if (statistic.scope == Scope::label) {
      if (strata()[s].label == statistic.label) return label_kl[s];
    } else if (parts_[s].pictures >= kSmallLabel) {
      sum += label_kl[s];
      ++labels;
    }
  }
  return ratio(sum, labels);
}

double Gallery::texture_distance(const std::vector<Textures::Sums>& sums) const {
  Textures::Part whole;
  for (std::size_t s = 0; s < sums.size(); ++s) {
    if (strata()[s].label.empty() || parts_[s].pictures < kSmallLabel) continue;
    const Textures::Part part = run_.textures.part(s, sums[s]);
    whole.sum += part.sum;
    whole.count += part.count;
  }
  return ratio(whole.sum, whole.count);
}

double Gallery::texture_without(std::size_t i, std::size_t s) const {
  if (textures_.empty()) return kNone;
  std::vector<Textures::Sums> sums = textures_;
  run_.textures.add_image(i, -1, sums[s]);
  return texture_distance(sums);
}

// Statistic k without image i of stratum s.
double Gallery::without(std::size_t k, std::size_t i, std::size_t s) const {
  const Statistic& statistic = statistics_[k];
  if (statistic.measure == Measure::texture_distance) return texture_without(i, s);
  const bool pooled = statistic.scope == Scope::pooled;
  Sums sums = pooled ? pooled_ : parts_[s];
  sums.add(images_[i], -1);
  std::vector<double> counts;
  if (needs_of({statistic}, run_).counts()) {
    counts = pooled ? pooled_counts_ : counts_[s];
    for (std::size_t j = 0; j < counts.size(); ++j) counts[j] -= run_.counts[i * counts.size() + j];
  }
  if (pooled) {
    return pooled_value(k, sums, divergences_of(sums, counts, needs_of({statistic}, run_)));
  }
  std::vector<double> label_kl = divergences_.label_kl;
  if (label_kl.empty()) return kNone;
  label_kl[s] = fed(KlSum(sums.real, sums.generated, run_.bins, smoothing_), counts.data(),
                    counts.data() + run_.bins, run_.bins);
  return label_value(statistic, label_kl);
}

std::vector<double> Gallery::influence(std::size_t k) const {
  const bool pooled = statistics_[k].scope == Scope::pooled &&
                      statistics_[k].measure != Measure::texture_distance;  // a mean over labels
  const double value = values()[k];
  std::vector<double> out(images_.size());
  for (std::size_t s = 0; s < strata().size(); ++s) {
    const auto n = static_cast<double>(pooled ? images_.size() : strata()[s].size());
    if (n < 2) continue;
    const std::size_t begin = strata()[s].begin;
    const std::size_t end = strata()[s].end;
    for (std::size_t i = begin; i < end; ++i) out[i] = (value - without(k, i, s)) * (n - 1) / n;
    const double mean = pooled
                            ? 0
                            : std::accumulate(out.begin() + static_cast<std::ptrdiff_t>(begin),
                                              out.begin() + static_cast<std::ptrdiff_t>(end), 0.0) /
                                  n;
    for (std::size_t i = begin; i < end; ++i) out[i] -= mean;
  }
  if (!pooled) return out;
  const double mean =
      std::accumulate(out.begin(), out.end(), 0.0) / static_cast<double>(images_.size());
  for (double& each : out) each -= mean;
  return out;
}

}  // namespace sarsweep::stats
