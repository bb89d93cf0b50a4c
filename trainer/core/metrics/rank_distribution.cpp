#include "trainer/core/metrics/rank_distribution.h"

#include <algorithm>
#include <cmath>

namespace sarsweep::trainer {
namespace {

constexpr double kHalfTolerance = 1e-9;  // sums of exponentials of logarithms

// Candidates by what they add to a rank.
struct Values {
  std::uint64_t ones = 0, halves = 0, all = 0;

  Values(const Standing& standing, RankTies ties) : ones(standing.above), all(standing.others) {
    if (ties == RankTies::mid) halves = standing.tied;
    if (ties == RankTies::pessimistic) ones += standing.tied;
  }
  double mean() const {
    return (static_cast<double>(ones) + 0.5 * static_cast<double>(halves)) /
           static_cast<double>(all);
  }
  double variance() const {
    const double square =
        (static_cast<double>(ones) + 0.25 * static_cast<double>(halves)) / static_cast<double>(all);
    return std::max(0.0, square - mean() * mean());
  }
};

// ln k! for k up to a bound.
class LogFactorials {
 public:
  explicit LogFactorials(std::uint64_t most) : values_(most + 1, 0.0) {
    for (std::uint64_t k = 2; k <= most; ++k) {
      values_[k] = values_[k - 1] + std::log(static_cast<double>(k));
    }
  }
  double log_binomial(std::uint64_t n, std::uint64_t k) const {
    return values_[n] - values_[k] - values_[n - k];
  }

 private:
  std::vector<double> values_;
};

// Adds `weight` times the distribution of the sum of `drawn` values, in halves, to `mass`.
void add_mass(const Values& values, std::uint64_t drawn, const LogFactorials& logs, double weight,
              std::vector<double>& mass) {
  const std::uint64_t zeros = values.all - values.ones - values.halves;
  const double all = logs.log_binomial(values.all, drawn);
  for (std::uint64_t ones = 0; ones <= std::min(values.ones, drawn); ++ones) {
    for (std::uint64_t halves = 0; halves <= std::min(values.halves, drawn - ones); ++halves) {
      const std::uint64_t rest = drawn - ones - halves;
      if (rest > zeros) continue;
      mass[2 * ones + halves] += weight * std::exp(logs.log_binomial(values.ones, ones) +
                                                   logs.log_binomial(values.halves, halves) +
                                                   logs.log_binomial(zeros, rest) - all);
    }
  }
}

std::uint64_t drawn_of(const Standing& standing, int pool) {
  return static_cast<std::uint64_t>(pool_of(standing, pool) - 1);
}

double pool_variance(const Values& values, std::uint64_t drawn) {
  if (values.all < 2) return 0;
  const auto others = static_cast<double>(values.all);
  const auto n = static_cast<double>(drawn);
  return n * values.variance() * (others - n) / (others - 1);
}

}  // namespace

int pool_of(const Standing& standing, int pool) {
  return static_cast<int>(
      std::min<std::uint64_t>(static_cast<std::uint64_t>(pool), standing.others + 1));
}

double expected_rank(const Standing& standing, RankTies ties, int pool) {
  return 1 + static_cast<double>(drawn_of(standing, pool)) * Values(standing, ties).mean();
}

RankDistribution::RankDistribution(const std::vector<Standing>& pictures, RankTies ties, int pool)
    : mass_(static_cast<std::size_t>(2 * pool), 0.0) {
  std::uint64_t most = 0;
  for (const Standing& standing : pictures) most = std::max(most, standing.others);
  const LogFactorials logs(most);
  const double weight = 1 / static_cast<double>(pictures.size());
  for (const Standing& standing : pictures) mean_ += weight * expected_rank(standing, ties, pool);
  for (const Standing& standing : pictures) {
    const Values values(standing, ties);
    const std::uint64_t drawn = drawn_of(standing, pool);
    const double deviation = expected_rank(standing, ties, pool) - mean_;
    add_mass(values, drawn, logs, weight, mass_);
    variance_ += weight * (pool_variance(values, drawn) + deviation * deviation);
  }
}

double RankDistribution::median() const {
  double below = 0;
  std::size_t i = 0;
  while (i + 1 < mass_.size() && below + mass_[i] < 0.5 - kHalfTolerance) below += mass_[i++];
  const auto rank = [](std::size_t at) { return 1 + 0.5 * static_cast<double>(at); };
  if (below + mass_[i] > 0.5 + kHalfTolerance) return rank(i);
  std::size_t next = i + 1;
  while (next < mass_.size() && mass_[next] <= kHalfTolerance) ++next;
  return next < mass_.size() ? (rank(i) + rank(next)) / 2 : rank(i);
}

}  // namespace sarsweep::trainer
