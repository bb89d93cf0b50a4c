// The distributions, divergences and tests of signs, against numbers of scipy and statsmodels.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "coordinator/stats/divergence.h"
#include "coordinator/stats/holm.h"
#include "coordinator/stats/probability.h"
#include "coordinator/stats/sign_flips.h"
#include "schema/base/philox.h"

namespace sarsweep::stats {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void expect_close(double value, double expected, double relative = 1e-10) {
  EXPECT_NEAR(value, expected, relative * std::abs(expected)) << expected;
}

TEST(Probability, OfTheNormalDistributionIsScipys) {
  expect_close(normal_cdf(-30), 4.906713927147908e-198);
  expect_close(normal_cdf(-3.7), 0.00010779973347738823);
  expect_close(normal_cdf(0.5), 0.6914624612740131);
  expect_close(normal_cdf(6), 0.9999999990134123);
  expect_close(normal_quantile(1e-300), -37.0470962993612);
  expect_close(normal_quantile(1e-6), -4.753424308822899);
  expect_close(normal_quantile(0.025), -1.9599639845400545);
  expect_close(normal_quantile(0.9), 1.2815515655446004);
  EXPECT_EQ(normal_quantile(0.5), 0);
  EXPECT_EQ(normal_quantile(1), kInfinity);
  EXPECT_EQ(normal_quantile(0), -kInfinity);
}

TEST(Probability, OfStudentsTIsScipys) {
  EXPECT_EQ(student_two_sided(0, 3), 1);
  expect_close(student_two_sided(-0.5, 1), 0.7048327646991335);
  expect_close(student_two_sided(2, 2), 0.18350341907227397);
  expect_close(student_two_sided(4.3, 2.5), 0.03315238794992192);
  expect_close(student_two_sided(2.2, 30.7), 0.035464667901416676);
  expect_close(student_two_sided(1.96, 1e6), 0.04999606758526985, 1e-8);
  expect_close(student_two_sided(40, 7), 1.5902179984850364e-09);
  expect_close(student_two_sided(3, kInfinity), 0.0026997960632601866);
  expect_close(student_critical(0.05, 1), 12.706204736174705);
  expect_close(student_critical(0.05, 2.6), 3.4781824106911317);
  expect_close(student_critical(0.05, kInfinity), 1.959963984540054);
  expect_close(student_critical(1e-6, 3), 130.15458955835794);
  expect_close(student_critical(0.9, 5), 0.1321751752316873);
}

TEST(Probability, OfChiSquaredIsScipys) {
  expect_close(chi_squared_cdf(0.1, 1), 0.24817036595415076);
  expect_close(chi_squared_cdf(3.8, 1), 0.9487474171426304);
  expect_close(chi_squared_cdf(2, 5), 0.15085496391539038);
  expect_close(chi_squared_cdf(30, 4.4), 0.9999922621468268);
  expect_close(chi_squared_cdf(1000, 1000), 0.5059471461707603);
  expect_close(chi_squared_cdf(90, 100), 0.24680203440017026);
  EXPECT_EQ(chi_squared_cdf(0, 2), 0);
}

TEST(Divergence, TakesLogarithmsToTheLastDigits) {
  const RandomStream random(1, "logarithms", 0);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    std::array<double, kBlock> x{};
    for (std::size_t k = 0; k < kBlock; ++k) {
      x[k] = std::exp(40 * (random.uniform(i * kBlock + k) - 0.5));
    }
    x[0] = 1;
    x[1] = 1e-300;
    x[2] = 1 + 1e-9 * random.uniform(i);
    const auto found = logarithms(x);
    for (std::size_t k = 0; k < kBlock; ++k) {
      const double expected = std::log(x[k]);
      EXPECT_NEAR(found[k], expected, 4.5e-16 * std::abs(expected)) << x[k];
    }
  }
}

// Fixture F-KL of the design: 10,000 quantiles of one-look amplitude, and the same 0.8 times as
// large.
struct Fixture {
  std::array<double, 256> real{}, generated{};
  double real_pixels = 0, generated_pixels = 0;
  Fixture() {
    for (int i = 0; i < 10'000; ++i) {
      const double a = std::sqrt(-std::log(1 - (i + 0.5) / 1e4)) / 2.2759810509810707;
      add(std::min(1.0, a), real, real_pixels);
      add(std::min(1.0, 0.8 * a), generated, generated_pixels);
    }
  }
  static void add(double a, std::array<double, 256>& bins, double& pixels) {
    if (a > 0.999) return;
    ++bins[std::min<std::size_t>(static_cast<std::size_t>(a * 256), 255)];
    ++pixels;
  }
};

TEST(Divergence, OfTheFixtureIsWhatTheDesignSays) {
  const Fixture f;
  const auto kl = [](const auto& p, double n, const auto& q, double m, Smoothing smoothing) {
    return fed(KlSum(n, m, 256, smoothing), p.data(), q.data(), 256);
  };
  expect_close(kl(f.real, f.real_pixels, f.generated, f.generated_pixels, Smoothing::eps),
               0.1699985421, 1e-9);
  expect_close(kl(f.generated, f.generated_pixels, f.real, f.real_pixels, Smoothing::eps),
               0.08291346, 1e-7);
  expect_close(kl(f.real, f.real_pixels, f.generated, f.generated_pixels, Smoothing::half), 0.09656,
               1e-4);
  expect_close(
      fed(JsSum(f.real_pixels, f.generated_pixels), f.real.data(), f.generated.data(), 256),
      0.02271526, 1e-6);
}

TEST(Divergence, OfEmptySidesIsNoNumber) {
  const std::array<double, 3> none{};
  const std::array<double, 3> some{1, 2, 3};
  EXPECT_TRUE(std::isnan(fed(KlSum(0, 6, 3, Smoothing::half), none.data(), some.data(), 3)));
  EXPECT_TRUE(std::isnan(fed(JsSum(6, 0), some.data(), none.data(), 3)));
  EXPECT_TRUE(std::isnan(fed(WassersteinSum(0, 0, 3), none.data(), none.data(), 3)));
  EXPECT_DOUBLE_EQ(fed(WassersteinSum(6, 6, 3), some.data(), some.data(), 3), 0);
}

TEST(Holm, IsStatsmodels) {  // multipletests(p, method="holm")
  const std::vector<double> p = {0.01, 0.04, 0.03, 0.005, 0.04, 0.9, 0.2};
  const std::vector<double> expected = {0.06, 0.16, 0.15, 0.035, 0.16, 0.9, 0.4};
  const std::vector<double> found = holm(p);
  for (std::size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-15) << i;
  EXPECT_EQ(holm({0.7, 0.8}), (std::vector<double>{1, 1}));
  EXPECT_TRUE(holm({}).empty());
}

TEST(SignFlips, CountEveryPatternOfFewValues) {  // scipy.stats.permutation_test, samples, exact
  EXPECT_DOUBLE_EQ(sign_flip_p({1, 2, 3, 4, 5, -0.5}), 2.0 * 2 / 64);
  EXPECT_DOUBLE_EQ(sign_flip_p({3}), 1);
  EXPECT_DOUBLE_EQ(sign_flip_p({1, 1, 1, 1, 1}), 2.0 / 32);
  EXPECT_DOUBLE_EQ(sign_flip_p({-1, -1, -1, -1, -1}), 2.0 / 32);
  EXPECT_DOUBLE_EQ(sign_flip_p({1, -1}), 1);
  EXPECT_DOUBLE_EQ(sign_flip_p({0, 0, 0}), 1);
  EXPECT_DOUBLE_EQ(sign_flip_p({}), 1);
}

TEST(SignFlips, DrawnPatternsComeCloseToAll) {
  const RandomStream random(1, "values", 0);
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    std::vector<double> values;
    for (std::uint64_t i = 0; i < kMostExact; ++i) {
      values.push_back(random.normal(trial * 100 + i) + 0.4);
    }
    const double exact = sign_flip_p(values);
    values.push_back(0);  // makes it one too many to try every pattern
    const double drawn = sign_flip_p(values);
    EXPECT_NEAR(drawn, exact, 4.5 * std::sqrt(exact * (1 - exact) / kFlips) + 1.0 / kFlips);
  }
}

TEST(SignFlips, NeitherUnitNorDirectionMatters) {
  const RandomStream random(1, "values", 1);
  std::vector<double> values;
  for (std::uint64_t i = 0; i < 330; ++i) values.push_back(random.normal(i) + 0.05);
  const double p = sign_flip_p(values);
  EXPECT_GT(p, 0.01);
  for (const double scale : {1e-6, -1.0, 7e5}) {
    std::vector<double> scaled = values;
    for (double& value : scaled) value *= scale;
    EXPECT_EQ(sign_flip_p(scaled), p) << scale;
  }
}

TEST(SignFlips, WidenedByChiSquaredAreStudents) {
  // The signs of many equal values are as good as normal: what is left is Student's t.
  const RandomStream random(1, "values", 2);
  for (const double degrees : {2.0, 4.7, 60.0}) {
    std::vector<double> values;
    double sum = 0;
    double squares = 0;
    for (std::uint64_t i = 0; i < 400; ++i) {
      values.push_back(random.normal(i) + 0.1);
      sum += values.back();
      squares += values.back() * values.back();
    }
    const double scale = 1.3;
    const double t = sum / (scale * std::sqrt(squares));
    EXPECT_NEAR(sign_flip_p(values, {scale, degrees}), student_two_sided(t, degrees), 0.01)
        << degrees;
  }
}

}  // namespace
}  // namespace sarsweep::stats
