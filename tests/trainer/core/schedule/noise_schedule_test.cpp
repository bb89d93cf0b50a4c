#include "trainer/core/schedule/noise_schedule.h"

#include <gtest/gtest.h>

#include <string_view>

#include "schema/base/digest.h"

namespace sarsweep::trainer {
namespace {

TEST(NoiseSchedule, EqualsDiffusersInEveryBit) {
  const NoiseSchedule schedule = make_noise_schedule();
  // alphas_cumprod of DDPMScheduler(0.00085, 0.012, "scaled_linear") of diffusers 0.42.1.
  const std::string_view bytes(reinterpret_cast<const char*>(schedule.alphas_cumprod.data()),
                               sizeof schedule.alphas_cumprod);
  EXPECT_EQ(schedule.alphas_cumprod[150], 0x1.a7d6e4p-1F);
  EXPECT_EQ(schedule.alphas_cumprod[999], 0x1.31676cp-8F);
  EXPECT_EQ(sha256(bytes), "b0c6833c866f3aae5d58606971a4297931251d8ed9c31d9a8b849e13ca14e3b6");
  EXPECT_EQ(schedule.signal[500], 0x1.0d250ep-1F);
  EXPECT_EQ(schedule.noise[500], 0x1.b38d2ep-1F);
}

TEST(NoiseSchedule, SignalAndNoiseShareTheVariance) {
  const NoiseSchedule schedule = make_noise_schedule();
  for (std::size_t t = 0; t < kTimesteps; ++t) {
    EXPECT_NEAR(schedule.signal[t] * schedule.signal[t] + schedule.noise[t] * schedule.noise[t], 1,
                2e-7);
  }
}

TEST(NoiseSchedule, SnrFallsFromAThousandToAlmostNothing) {
  const NoiseSchedule schedule = make_noise_schedule();
  EXPECT_NEAR(schedule.snr(0), 1175.5, 0.1);
  EXPECT_NEAR(schedule.snr(999), 0.00468, 1e-5);
  for (std::size_t t = 1; t < kTimesteps; ++t) EXPECT_LT(schedule.snr(t), schedule.snr(t - 1));
}

TEST(NoiseSchedule, MinSnrClipsEarlyTimestepsAlone) {
  const NoiseSchedule schedule = make_noise_schedule();
  using enum Prediction;
  EXPECT_DOUBLE_EQ(schedule.min_snr_weight(0, 5, epsilon), 5 / schedule.snr(0));
  EXPECT_LT(schedule.min_snr_weight(140, 5, epsilon), 1);  // the SNR is 5 near t = 147
  EXPECT_DOUBLE_EQ(schedule.min_snr_weight(155, 5, epsilon), 1);
  EXPECT_DOUBLE_EQ(schedule.min_snr_weight(0, 5, velocity), 5 / (schedule.snr(0) + 1));
  EXPECT_NEAR(schedule.min_snr_weight(354, 5, velocity), 0.5, 0.01);  // the SNR is 1 near t = 354
}

}  // namespace
}  // namespace sarsweep::trainer
