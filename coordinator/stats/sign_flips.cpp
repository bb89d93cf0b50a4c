#include "coordinator/stats/sign_flips.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "coordinator/stats/probability.h"
#include "schema/base/philox.h"

namespace sarsweep::stats {
namespace {

constexpr std::uint64_t kKey = 2;
constexpr std::size_t kGroup = 8;  // values whose 256 signed sums are tabulated
constexpr double kRounding = 1e-12;

// Σ ± values by tables: a look-up for eight values.
class SignedSums {
 public:
  explicit SignedSums(const std::vector<double>& values)
      : tables_((values.size() + kGroup - 1) / kGroup) {
    for (std::size_t t = 0; t < tables_.size(); ++t) {
      for (std::size_t signs = 0; signs < tables_[t].size(); ++signs) {
        double sum = 0;
        for (std::size_t k = 0; k < kGroup && t * kGroup + k < values.size(); ++k) {
          const double value = values[t * kGroup + k];
          sum += (signs >> k & 1U) != 0 ? -value : value;
        }
        tables_[t][signs] = sum;
      }
    }
  }
  std::size_t groups() const { return tables_.size(); }
  double part(std::size_t group, std::uint64_t signs) const {
    return tables_[group][signs & (tables_[group].size() - 1)];
  }

 private:
  std::vector<std::array<double, 1U << kGroup>> tables_;
};

double drawn_sum(const SignedSums& sums, std::uint64_t pattern) {
  const RandomStream random(kKey, "leaderboard.signs", pattern);
  double sum = 0;
  std::uint64_t bits = 0;
  for (std::size_t group = 0; group < sums.groups(); ++group) {
    if (group % 8 == 0) bits = random.bits(group / 8);
    sum += sums.part(group, bits >> (group % 8 * kGroup));
  }
  return sum;
}

double listed_sum(const SignedSums& sums, std::uint64_t pattern) {
  double sum = 0;
  for (std::size_t group = 0; group < sums.groups(); ++group) {
    sum += sums.part(group, pattern >> (group * kGroup));
  }
  return sum;
}

// How likely a sum under flipped signs, once it is widened, is as far out as the one observed: a
// step at 1, or P(χ²_ν <= ν r²) of the ratio r of the two, from a table.
class Reach {
 public:
  Reach(double observed, const Widening& widening) : scale_(widening.scale / std::abs(observed)) {
    if (std::isinf(widening.degrees)) return;
    for (std::size_t i = 0; i <= kKnots; ++i) {
      const double ratio = kWidest * static_cast<double>(i) / kKnots;
      table_.push_back(chi_squared_cdf(widening.degrees * ratio * ratio, widening.degrees));
    }
  }
  double operator()(double sum) const {
    const double ratio = std::abs(sum) * scale_;
    if (table_.empty()) return ratio >= 1 - kRounding ? 1 : 0;
    const double place = ratio * (kKnots / kWidest);
    if (place >= kKnots) return 1;
    const auto knot = static_cast<std::size_t>(place);
    return table_[knot] + (place - static_cast<double>(knot)) * (table_[knot + 1] - table_[knot]);
  }

 private:
  static constexpr std::size_t kKnots = 2048;
  static constexpr double kWidest = 9;  // where the table is 1 for any ν of at least 1
  double scale_;
  std::vector<double> table_;
};

}  // namespace

double sign_flip_p(const std::vector<double>& values, const Widening& widening) {
  double observed = 0;
  for (const double value : values) observed += value;
  const bool nothing = std::all_of(values.begin(), values.end(), [](double v) { return v == 0; });
  if (nothing || observed == 0) return 1;
  const SignedSums sums(values);
  const Reach reach(observed, widening);
  double reached = 0;
  if (values.size() <= kMostExact) {
    const std::uint64_t patterns = std::uint64_t{1} << values.size();
    for (std::uint64_t i = 0; i < patterns; ++i) {
      reached += reach(listed_sum(sums, i));
    }
    return reached / static_cast<double>(patterns);
  }
  for (std::uint64_t i = 0; i < kFlips; ++i) {
    reached += reach(drawn_sum(sums, i));
  }
  return (1 + reached) / static_cast<double>(kFlips + 1);
}

}  // namespace sarsweep::stats
