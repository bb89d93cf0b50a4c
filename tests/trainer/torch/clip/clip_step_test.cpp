#include "trainer/torch/clip/clip_step.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "schema/base/philox.h"
#include "tests/support/referee.h"
#include "trainer/torch/clip/contrastive_loss.h"

namespace sarsweep::trainer {
namespace {

constexpr std::int64_t kPairs = 7;

using Gradients = std::map<std::string, at::Tensor>;

// Pairs of speckle and captions of different lengths.
PairBatch pairs(const ClipModel& model, std::int64_t begin, std::int64_t count) {
  std::vector<EightBitImage> squares;
  std::vector<std::string> captions;
  const int side = model.config.vision.image_size;
  for (std::int64_t i = begin; i < begin + count; ++i) {
    const RandomStream random(5, "picture", static_cast<std::uint64_t>(i));
    EightBitImage square{side, side, {}};
    for (int k = 0; k < side * side; ++k) {
      square.codes.push_back(
          static_cast<std::uint8_t>(random.below(256, static_cast<unsigned>(k))));
    }
    squares.push_back(std::move(square));
    captions.push_back("a SAR image of " + std::to_string(i) + std::string(i % 3, 's') + " ships");
  }
  return {clip_codes(squares), clip_ids(model, captions)};
}

std::vector<PairBatch> passes_of(const ClipModel& model, std::int64_t each) {
  std::vector<PairBatch> passes;
  for (std::int64_t done = 0; done < kPairs; done += each) {
    passes.push_back(pairs(model, done, std::min(each, kPairs - done)));
  }
  return passes;
}

class ClipStepTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests::open_clip_vocabulary()) GTEST_SKIP() << "needs open_clip's vocabulary";
  }
  static ClipModel model() {
    return init_clip(clip_preset("clip-tiny"), 3, tests::open_clip_vocabulary().value());
  }
  static RunConfig config(const std::string& towers, double lr = 1e-3) {
    return parse_run_config({{"job", "clip"}, {"clip", {{"towers", towers}, {"lr", lr}}}});
  }
  static Gradients gradients_of(const ClipModel& model) {
    Gradients gradients;
    for (const auto& [name, tensor] : clip_tensors(model)) {
      if (tensor.grad().defined()) gradients.emplace(name, tensor.grad().clone());
    }
    return gradients;
  }
  static Gradients cached(std::int64_t each) {
    ClipModel own = model();
    ClipStep step(own, config("both"), {});
    const auto ranks = single_process();
    step.accumulate(*ranks, {0, kPairs}, {0, kPairs}, passes_of(own, each));
    return gradients_of(own);
  }
  static void expect_near(const Gradients& a, const Gradients& b) {
    ASSERT_EQ(a.size(), b.size());
    double largest = 0;
    for (const auto& [name, gradient] : b) {
      largest = std::max(largest, gradient.abs().max().item<double>());
    }
    for (const auto& [name, gradient] : b) {
      const double difference = (a.at(name) - gradient).abs().max().item<double>();
      const double scale = std::max(gradient.abs().max().item<double>(), 1e-3 * largest);
      EXPECT_LE(difference, 1e-5 * scale) << name;
    }
  }
};

// One graph over all pairs, as any other implementation would have it.
TEST_F(ClipStepTest, CachedGradientsAreThoseOfOneBatch) {
  ClipModel whole = model();
  for (const auto& [name, tensor] : clip_tensors(whole)) tensor.set_requires_grad(true);
  const PairBatch batch = pairs(whole, 0, kPairs);
  const at::Tensor losses = contrastive_losses(embed_pictures(whole, batch.codes),
                                               embed_captions(whole, batch.ids), whole.logit_scale);
  torch::autograd::backward({losses.mean()}, {});
  const Gradients expected = gradients_of(whole);
  EXPECT_EQ(expected.size(), clip_tensors(whole).size());
  for (const std::int64_t each : {kPairs, std::int64_t{3}, std::int64_t{1}}) {
    SCOPED_TRACE(each);
    expect_near(cached(each), expected);
  }
}

TEST_F(ClipStepTest, LossesArePerPairOfThisRank) {
  ClipModel own = model();
  ClipStep step(own, config("both"), {});
  const auto ranks = single_process();
  const MicroLosses losses = step.accumulate(*ranks, {0, kPairs}, {0, kPairs}, passes_of(own, 2));
  EXPECT_TRUE(losses.loss.allclose(step.losses(passes_of(own, kPairs)), 1e-5, 1e-6));
  EXPECT_FALSE(losses.loss.requires_grad());
  EXPECT_EQ(losses.loss.size(0), kPairs);
}

TEST_F(ClipStepTest, OnlyTheNamedTowerMoves) {
  for (const std::string towers : {"image", "text", "both"}) {
    ClipModel own = model();
    std::map<std::string, at::Tensor> before;
    for (const auto& [name, tensor] : clip_tensors(own)) before.emplace(name, tensor.clone());
    ClipStep step(own, config(towers), {});
    const auto ranks = single_process();
    step.accumulate(*ranks, {0, kPairs}, {0, kPairs}, passes_of(own, 4));
    step.rule().apply(0);
    for (const auto& [name, tensor] : clip_tensors(own)) {
      const bool text = name.starts_with("text_");
      const bool trains = name == "logit_scale" || towers == "both" || text == (towers == "text");
      EXPECT_EQ(tensor.equal(before.at(name)), !trains) << towers << ": " << name;
    }
  }
}

TEST_F(ClipStepTest, TrainingTellsThePairsApart) {
  ClipModel own = model();
  ClipStep step(own, config("both", 1e-3), {});
  const auto ranks = single_process();
  const std::vector<PairBatch> passes = passes_of(own, kPairs);
  const double before = step.losses(passes).mean().item<double>();
  for (std::int64_t index = 0; index < 12; ++index) {
    step.accumulate(*ranks, {0, kPairs}, {0, kPairs}, passes);
    EXPECT_TRUE(step.rule().apply(index).finite);
  }
  EXPECT_LT(step.losses(passes).mean().item<double>(), 0.7 * before);
}

TEST_F(ClipStepTest, TheScaleOfTheLogitsEndsAtAHundred) {
  ClipModel own = model();
  own.logit_scale.fill_(9);
  ClipStep step(own, config("both"), {});
  step.bound_scale();
  EXPECT_FLOAT_EQ(own.logit_scale.exp().item<float>(), 100);
  own.logit_scale.requires_grad_(false).fill_(1);
  step.bound_scale();
  EXPECT_EQ(own.logit_scale.item<float>(), 1);
}

}  // namespace
}  // namespace sarsweep::trainer
