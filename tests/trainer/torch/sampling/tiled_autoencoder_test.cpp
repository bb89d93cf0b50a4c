#include "trainer/torch/sampling/tiled_autoencoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include <c10/core/GradMode.h>

#include "tests/support/referee.h"
#include "tests/trainer/torch/tiny_pipeline.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

class TiledAutoencoder : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests::open_clip_vocabulary()) GTEST_SKIP() << "open_clip's vocabulary is not in .venv";
  }
  const c10::NoGradGuard no_grad_;
};

// The tiny autoencoder's tiles have 16 latents; the last row and column here are narrow ones.
TEST_F(TiledAutoencoder, EqualsDiffusersTiling) {
  if (!tests::referee_present()) GTEST_SKIP() << "no .venv-test";
  const tests::TemporaryFolder folder;
  const Pipeline pipeline = tests::tiny_pipeline(3);
  save_pipeline(pipeline, folder / "model", DType::f32);
  const at::Tensor latents = tests::normal_tensor({2, 4, 40, 28}, "latents");
  const at::Tensor pixels = tests::normal_tensor({1, 3, 320, 224}, "pixels").mul(0.4);
  const Moments moments = encode_tiled(pipeline.vae, pixels);
  const at::Tensor decoded = decode_tiled(pipeline.vae, latents);
  save_tensors(folder / "ours.safetensors", {{"latents", latents},
                                             {"pixels", pixels},
                                             {"decoded", decoded},
                                             {"mean", moments.mean},
                                             {"log_variance", moments.log_variance}});
  const auto referee = tests::run_referee("sampling_referee.py",
                                          {"tiles", folder / "model", folder / "ours.safetensors"});
  EXPECT_EQ(referee.exit_code, 0) << referee.output;
  EXPECT_GT((decoded - pipeline.vae.decode(latents)).abs().max().item<float>(), 1e-3);
}

TEST_F(TiledAutoencoder, LeavesAPictureOfOneTileAsItIs) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  const at::Tensor latents = tests::normal_tensor({1, 4, 16, 12}, "latents");
  EXPECT_FALSE(needs_tiles(pipeline.vae, 128, 96));
  EXPECT_TRUE(needs_tiles(pipeline.vae, 128, 136));
  EXPECT_TRUE(at::equal(decode_tiled(pipeline.vae, latents), pipeline.vae.decode(latents)));
}

// Kilobytes by which `work` raises the most memory this process ever had in use.
template <typename Work>
long peak_of(Work&& work) {
  const auto field = [](const std::string& name) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      if (word == name) {
        long kilobytes = 0;
        status >> kilobytes;
        return kilobytes;
      }
    }
    return 0L;
  };
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak starts anew
  const long before = field("VmRSS:");
  work();
  return field("VmHWM:") - before;
}

TEST_F(TiledAutoencoder, NeedsTheMemoryOfATile) {
  const Pipeline pipeline = tests::tiny_pipeline(3);
  const at::Tensor latents = tests::normal_tensor({1, 4, 128, 128}, "latents");
  const long tiled = peak_of([&] { decode_tiled(pipeline.vae, latents); });
  const long whole = peak_of([&] { pipeline.vae.decode(latents); });
  EXPECT_GT(whole, 3 * tiled);
}

}  // namespace
}  // namespace sarsweep::trainer
