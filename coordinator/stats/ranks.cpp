#include "coordinator/stats/ranks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "coordinator/stats/interval.h"
#include "coordinator/stats/probability.h"

namespace sarsweep::stats {
namespace {

// Of two cells of one seed each, the most frequent case in long boards.
double squared_distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = double{a[i]} - b[i];
    sum += difference * difference;
  }
  return sum;
}

Seeds paired(const Contender& a, const Contender& b) {
  Seeds differences;
  for (std::size_t i = 0; i < a.seeds.size(); ++i) {
    differences.values.push_back(a.runs.values[i] - b.runs.values[i]);
    if (a.runs.noise.empty() || b.runs.noise.empty()) continue;
    std::vector<float>& noise = differences.noise.emplace_back(a.runs.noise[i]);
    for (std::size_t k = 0; k < noise.size(); ++k) noise[k] -= b.runs.noise[i][k];
  }
  return differences;
}

// Which of two differ beyond doubt: the tail in which |a - b| lies is at most `tail`.
class Doubt {
 public:
  Doubt(const Contenders& contenders, double tail)
      : contenders_(contenders), tail_(tail), critical_(normal_quantile(1 - tail / 2)) {
    for (const Contender& each : contenders_) {
      lengths_.push_back(
          each.runs.noise.empty()
              ? 0
              : std::sqrt(squared_distance(each.runs.noise.front(),
                                           std::vector<float>(each.runs.noise.front().size()))));
    }
  }

  bool differ(std::size_t i, std::size_t k) const {
    const Contender& a = contenders_[i];
    const Contender& b = contenders_[k];
    const double delta = std::abs(a.mean - b.mean);
    if (a.seeds.size() == 1 && b.seeds.size() == 1) {
      // The noise of a difference is at most the sum of both's, and at least their difference.
      if (delta > critical_ * (lengths_[i] + lengths_[k])) return true;
      if (delta <= critical_ * std::abs(lengths_[i] - lengths_[k])) return false;
      const double variance = squared_distance(a.runs.noise.front(), b.runs.noise.front());
      return delta > critical_ * std::sqrt(variance);
    }
    const Noise noise = a.seeds == b.seeds ? noise_of(paired(a, b)) : noise_between(a.runs, b.runs);
    if (!(noise.variance > 0)) return delta > 0;
    return student_two_sided(delta / std::sqrt(noise.variance), noise.degrees) <= tail_;
  }

 private:
  const Contenders& contenders_;
  double tail_, critical_;
  std::vector<double> lengths_;  // of the first seed's noise
};

}  // namespace

std::vector<Rank> ranks(const Contenders& contenders, bool maximize) {
  const std::size_t n = contenders.size();
  const double sign = maximize ? -1 : 1;
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return sign * contenders[a].get().mean < sign * contenders[b].get().mean;
  });
  std::vector<Rank> out(n);
  for (std::size_t place = 0; place < n; ++place) out[order[place]].rank = place + 1;
  const bool all_known = std::all_of(contenders.begin(), contenders.end(),
                                     [](const Contender& each) { return known(each.runs); });
  if (!all_known || n == 0) return out;
  std::vector<std::size_t> better(n);
  std::vector<std::size_t> worse(n);
  const Doubt doubt(contenders,
                    (1 - kConfidence) / static_cast<double>(std::max<std::size_t>(n - 1, 1)));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = i + 1; k < n; ++k) {
      if (!doubt.differ(order[i], order[k])) continue;
      ++worse[order[i]];
      ++better[order[k]];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = {better[i] + 1, better[i] + 1, n - worse[i]};
  }
  return out;
}

}  // namespace sarsweep::stats
