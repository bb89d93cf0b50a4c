#include "trainer/kernels/peak.h"

#include <gtest/gtest.h>

namespace sarsweep::trainer {
namespace {

TEST(PeakTflops, AreThoseOfTheModelTheDriverNames) {
  EXPECT_EQ(peak_tflops("NVIDIA H200", Arithmetic::bf16), 989.4);
  EXPECT_EQ(peak_tflops("NVIDIA H100 80GB HBM3", Arithmetic::fp32), 66.9);
  EXPECT_EQ(peak_tflops("NVIDIA H100 PCIe", Arithmetic::bf16), 756);
  EXPECT_EQ(peak_tflops("NVIDIA A100-SXM4-80GB", Arithmetic::bf16), 312);
  EXPECT_EQ(peak_tflops("NVIDIA L40S", Arithmetic::bf16), 362);
  EXPECT_EQ(peak_tflops("NVIDIA GeForce RTX 4090", Arithmetic::bf16), 165.2);
}

TEST(PeakTflops, OfWhatIsNotInTheTableAreUnknown) {
  for (const char* model : {"cpu", "", "NVIDIA L40", "NVIDIA A1000", "NVIDIA H20"}) {
    EXPECT_EQ(peak_tflops(model, Arithmetic::bf16), std::nullopt) << model;
  }
}

}  // namespace
}  // namespace sarsweep::trainer
