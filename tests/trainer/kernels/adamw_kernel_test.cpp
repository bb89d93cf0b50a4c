#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "trainer/kernels/adamw.h"
#include "trainer/kernels/narrow.h"
#ifdef SARSWEEP_CUDA
#include <cuda_runtime_api.h>
#endif

namespace sarsweep::trainer {
namespace {

const AdamWRates kRates = {1e-2, 0.9, 0.999, 1e-8, 0.1};

struct Numbers {
  std::vector<float> weight, exp_avg, exp_avg_sq, gradient;

  explicit Numbers(std::size_t size) {
    std::mt19937 engine(static_cast<unsigned>(size));
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < size; ++i) {
      weight.push_back(normal(engine));
      exp_avg.push_back(normal(engine));
      exp_avg_sq.push_back(std::abs(normal(engine)));
      gradient.push_back(normal(engine));
    }
  }
  AdamWTensor tensor(std::int64_t step) {
    return {weight.data(),
            exp_avg.data(),
            exp_avg_sq.data(),
            gradient.data(),
            static_cast<std::int64_t>(weight.size()),
            step,
            nullptr};
  }
};

// From the formula, in double precision.
void expect_stepped(const Numbers& before, const Numbers& after, std::size_t i, std::int64_t step,
                    double divisor) {
  const double g = double{before.gradient[i]} / divisor;
  const double m = 0.9 * double{before.exp_avg[i]} + 0.1 * g;
  const double v = 0.999 * double{before.exp_avg_sq[i]} + 0.001 * g * g;
  const auto t = static_cast<double>(step);
  const double root = std::sqrt(v) / std::sqrt(1 - std::pow(0.999, t)) + 1e-8;
  const double w =
      double{before.weight[i]} * (1 - 1e-2 * 0.1) - 1e-2 / (1 - std::pow(0.9, t)) * m / root;
  EXPECT_NEAR(double{after.exp_avg[i]}, m, 1e-6);
  EXPECT_NEAR(double{after.exp_avg_sq[i]}, v, 1e-6);
  EXPECT_NEAR(double{after.weight[i]}, w, 2e-6 * (1 + std::abs(w)));
}

TEST(AdamWTwin, StepsItsPartAndNothingElse) {
  const float divisor = 3, finite = 1;
  for (const std::int64_t step : {1, 2, 1000}) {
    const Numbers before(100);
    Numbers after = before;
    adamw(after.tensor(step), 13, 77, kRates, {&divisor, &finite});
    for (std::size_t i = 0; i < 100; ++i) {
      if (i >= 13 && i < 77) {
        expect_stepped(before, after, i, step, 3);
        continue;
      }
      EXPECT_EQ(after.weight[i], before.weight[i]);
      EXPECT_EQ(after.exp_avg[i], before.exp_avg[i]);
      EXPECT_EQ(after.exp_avg_sq[i], before.exp_avg_sq[i]);
    }
  }
}

TEST(AdamWTwin, WritesTheNarrowWeightBesideTheWideOne) {
  const float divisor = 1.5F, finite = 1;
  for (const std::size_t size : {1UL, 100UL, 1024UL, 5000UL}) {
    const Numbers before(size);
    Numbers alone = before, together = before;
    std::vector<std::uint16_t> narrow(size, 7);
    AdamWTensor tensor = together.tensor(2);
    tensor.narrow = narrow.data();
    const auto end = static_cast<std::int64_t>(size), begin = end / 3;
    adamw(alone.tensor(2), begin, end, kRates, {&divisor, &finite});
    adamw(tensor, begin, end, kRates, {&divisor, &finite});
    EXPECT_EQ(together.weight, alone.weight);
    EXPECT_EQ(together.exp_avg_sq, alone.exp_avg_sq);
    for (std::size_t i = 0; i < size; ++i) {
      const bool written = i >= static_cast<std::size_t>(begin);
      EXPECT_EQ(narrow[i], written ? nearest_bf16(together.weight[i]) : 7) << i;
    }
  }
}

float of_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

TEST(NearestBf16, RoundsToEvenAndKeepsWhatIsNoNumber) {
  EXPECT_EQ(nearest_bf16(1.0F), 0x3F80);
  EXPECT_EQ(nearest_bf16(-2.5F), 0xC020);
  EXPECT_EQ(nearest_bf16(of_bits(0x3F808000)), 0x3F80);  // half way, even below
  EXPECT_EQ(nearest_bf16(of_bits(0x3F818000)), 0x3F82);  // half way, even above
  EXPECT_EQ(nearest_bf16(of_bits(0x3F808001)), 0x3F81);
  EXPECT_EQ(nearest_bf16(of_bits(0x3F80FFFF)), 0x3F81);
  EXPECT_EQ(nearest_bf16(of_bits(0x7F7FFFFF)), 0x7F80);  // the greatest number becomes infinite
  EXPECT_EQ(nearest_bf16(of_bits(0xFF800000)), 0xFF80);
  EXPECT_EQ(nearest_bf16(of_bits(0x00000001)), 0);
  for (const std::uint32_t nan : {0x7FC00000U, 0x7F800001U, 0xFFFFFFFFU}) {
    EXPECT_EQ(nearest_bf16(of_bits(nan)), 0x7FC0) << nan;
  }
}

TEST(AdamWTwin, ChangesNothingThatIsNotFinite) {
  const float divisor = 1, finite = 0;
  const Numbers before(40);
  Numbers after = before;
  adamw(after.tensor(1), 0, 40, kRates, {&divisor, &finite});
  EXPECT_EQ(after.weight, before.weight);
  EXPECT_EQ(after.exp_avg, before.exp_avg);
  EXPECT_EQ(after.exp_avg_sq, before.exp_avg_sq);
}

TEST(SumOfSquaresTwin, IsTheSumOfAPart) {
  const Numbers numbers(1000);
  for (const std::int64_t end : {3, 16, 17, 999, 1000}) {
    double exact = 0;
    for (std::int64_t i = 3; i < end; ++i) {
      const double value = numbers.weight[static_cast<std::size_t>(i)];
      exact += value * value;
    }
    EXPECT_NEAR(sum_of_squares(numbers.weight.data(), 3, end), exact, 1e-12 * (1 + exact));
  }
}

#ifdef SARSWEEP_CUDA
// A copy of host numbers in device memory.
template <class Number>
class OnDevice {
 public:
  explicit OnDevice(const std::vector<Number>& values) : size_(values.size() * sizeof(Number)) {
    EXPECT_EQ(cudaMalloc(&at_, size_), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(at_, values.data(), size_, cudaMemcpyHostToDevice), cudaSuccess);
  }
  ~OnDevice() { cudaFree(at_); }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  Number* at() const { return static_cast<Number*>(at_); }
  std::vector<Number> back() const {
    std::vector<Number> values(size_ / sizeof(Number));
    EXPECT_EQ(cudaMemcpy(values.data(), at_, size_, cudaMemcpyDeviceToHost), cudaSuccess);
    return values;
  }

 private:
  std::size_t size_;
  void* at_ = nullptr;
};

TEST(AdamWKernel, AgreesWithItsTwin) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) GTEST_SKIP() << "no GPU";
  const float two = 2, one = 1;
  const OnDevice<float> divisor({two}), finite({one});
  for (const std::size_t size : {1UL, 511UL, 65536UL, 200001UL}) {
    Numbers host(size);
    const OnDevice<float> weight(host.weight), exp_avg(host.exp_avg), exp_avg_sq(host.exp_avg_sq),
        gradient(host.gradient);
    const OnDevice<std::uint16_t> narrow(std::vector<std::uint16_t>(size, 7));
    const std::vector<AdamWTensor> tensors = {{weight.at(), exp_avg.at(), exp_avg_sq.at(),
                                               gradient.at(), static_cast<std::int64_t>(size), 3,
                                               narrow.at()}};
    adamw_on_device(tensors, kRates, {divisor.at(), finite.at()}, nullptr);
    adamw(host.tensor(3), 0, static_cast<std::int64_t>(size), kRates, {&two, &one});
    const std::vector<float> stepped = weight.back();
    const std::vector<std::uint16_t> copies = narrow.back();
    for (std::size_t i = 0; i < size; ++i) {
      ASSERT_NEAR(stepped[i], host.weight[i], 1e-6) << i;
      ASSERT_EQ(copies[i], nearest_bf16(stepped[i])) << i;
    }
  }
}
#endif

}  // namespace
}  // namespace sarsweep::trainer
