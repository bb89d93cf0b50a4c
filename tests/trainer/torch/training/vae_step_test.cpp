#include "trainer/torch/training/vae_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "schema/base/philox.h"
#include "tests/support/present.h"
#include "trainer/torch/files/pipeline_folder.h"

namespace sarsweep::trainer {
namespace {

at::Tensor normals(const std::string& purpose, std::vector<std::int64_t> shape) {
  at::Tensor out = at::zeros(shape);
  RandomStream(1, purpose, 0)
      .fill_normal(out.mutable_data_ptr<float>(), static_cast<std::uint64_t>(out.numel()));
  return out;
}

TEST(VaeStepTest, TrainingLowersTheLoss) {
  const std::filesystem::path vocabulary = SARSWEEP_VOCABULARY;
  if (!tests::present(std::filesystem::exists(vocabulary), "open_clip's vocabulary")) {
    GTEST_SKIP() << "needs open_clip's vocabulary";
  }
  Pipeline pipeline = init_pipeline(preset_configs("tiny"), 3, vocabulary);
  VaeStep subject(pipeline, parse_run_config({{"job", "vae"}, {"vae", {{"lr", 2e-3}}}}), {}, 0);
  TrainBatch pictures;
  pictures.pixels = normals("pixels", {2, 3, 32, 32}).clamp(-1, 1);
  pictures.posterior_noise = normals("posterior", {2, 4, 4, 4});
  const double before = subject.losses(pictures).loss.mean().item<double>();
  for (std::int64_t index = 0; index < 8; ++index) {
    subject.micro(pictures, 2);
    EXPECT_TRUE(subject.rule().apply(index).finite);
  }
  EXPECT_LT(subject.losses(pictures).loss.mean().item<double>(), before);
}

}  // namespace
}  // namespace sarsweep::trainer
