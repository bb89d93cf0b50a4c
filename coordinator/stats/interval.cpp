#include "coordinator/stats/interval.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "coordinator/stats/probability.h"

namespace sarsweep::stats {
namespace {

constexpr std::size_t kFewImages = 5;
constexpr double kMuch = 0.2;  // of the variance

using Strata = std::vector<ImageSet::Stratum>;

double squared_sum(const std::vector<double>& values, const ImageSet::Stratum& stratum) {
  double sum = 0;
  for (std::size_t i = stratum.begin; i < stratum.end; ++i) sum += values[i] * values[i];
  return sum;
}

// The standard error of a replicate: of a stratum of n images it holds n - 1, and its own mean and
// scatter take the place of the stratum's.
double replicate_error(const std::vector<double>& centred, const Resampling& resampling,
                       std::size_t replicate) {
  double variance = 0;
  const Strata& strata = resampling.images().strata();
  for (std::size_t s = 0; s < strata.size(); ++s) {
    const auto n = static_cast<double>(strata[s].size());
    if (n < 2) continue;
    double sum = 0;
    double squares = 0;
    for (const std::uint32_t i : resampling.drawn(replicate, s)) {
      sum += centred[i];
      squares += centred[i] * centred[i];
    }
    const double mean = sum / (n - 1);
    variance += n * n * std::max(squares / (n - 1) - mean * mean, 0.0) / (n - 1);
  }
  return std::sqrt(variance);
}

// Linear between order statistics, of which the first of n stands at 1 / (n + 1).
double quantile(const std::vector<double>& sorted, double p) {
  const double place = p * (static_cast<double>(sorted.size()) + 1) - 1;
  if (place <= 0) return sorted.front();
  const auto below = static_cast<std::size_t>(place);
  if (below + 1 >= sorted.size()) return sorted.back();
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

struct SmallStrata {
  double share = 0;    // of the variance that strata of few images carry
  double degrees = 0;  // Satterthwaite's, of the whole
};

SmallStrata small_strata(const std::vector<double>& noise, const Strata& strata, double variance) {
  double small = 0;
  double squares = 0;
  for (const ImageSet::Stratum& stratum : strata) {
    const double part = squared_sum(noise, stratum);
    if (stratum.size() < kFewImages) small += part;
    if (stratum.size() > 1) squares += part * part / (static_cast<double>(stratum.size()) - 1);
  }
  return {small / variance, variance * variance / squares};
}

ImageNoise by_student(double value, double bias, double variance, double degrees) {
  const double half = student_critical(1 - kConfidence, degrees) * std::sqrt(variance);
  const double centre = value - bias;
  return {variance, centre, {centre - half, centre + half}};
}

}  // namespace

std::vector<double> noise_vector(const std::vector<double>& influence, const ImageSet& images) {
  std::vector<double> noise(influence.size());
  for (const ImageSet::Stratum& stratum : images.strata()) {
    const auto n = static_cast<double>(stratum.size());
    if (n < 2) continue;
    double mean = 0;
    for (std::size_t i = stratum.begin; i < stratum.end; ++i) mean += influence[i] / n;
    const double weight = std::sqrt(n / (n - 1));
    for (std::size_t i = stratum.begin; i < stratum.end; ++i) {
      noise[i] = weight * (influence[i] - mean);
    }
  }
  return noise;
}

ImageNoise image_noise(double value, const std::vector<double>& replicates,
                       const std::vector<double>& influence, const Resampling& resampling) {
  const Strata& strata = resampling.images().strata();
  std::vector<double> noise = noise_vector(influence, resampling.images());
  const double variance = std::inner_product(noise.begin(), noise.end(), noise.begin(), 0.0);
  if (!(variance > 0)) return {0, value, {value, value}};
  const SmallStrata small = small_strata(noise, strata, variance);
  if (small.share > kMuch) {
    const double bias = std::accumulate(replicates.begin(), replicates.end(), 0.0) /
                        static_cast<double>(replicates.size());
    return by_student(value, bias, variance, small.degrees);
  }
  for (const ImageSet::Stratum& stratum : strata) {  // now the influence less its mean
    const auto n = static_cast<double>(stratum.size());
    if (n < 2) continue;
    for (std::size_t i = stratum.begin; i < stratum.end; ++i) noise[i] /= std::sqrt(n / (n - 1));
  }
  std::vector<double> students;
  const double error = std::sqrt(variance);
  for (std::size_t b = 0; b < replicates.size(); ++b) {
    const double of_replicate = replicate_error(noise, resampling, b);
    students.push_back(replicates[b] / std::max(of_replicate, error * 1e-6));
  }
  std::sort(students.begin(), students.end());
  const double tail = (1 - kConfidence) / 2;
  return {variance,
          value - quantile(students, 0.5) * error,
          {value - quantile(students, 1 - tail) * error, value - quantile(students, tail) * error}};
}

}  // namespace sarsweep::stats
