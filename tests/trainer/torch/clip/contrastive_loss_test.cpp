#include "trainer/torch/clip/contrastive_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include <c10/core/GradMode.h>

#include "tests/trainer/torch/tiny_pipeline.h"

namespace sarsweep::trainer {
namespace {

at::Tensor units(const std::vector<std::int64_t>& shape, const std::string& name) {
  const at::Tensor rows = tests::normal_tensor(shape, name);
  return rows / at::linalg_vector_norm(rows, 2, {1}, true);
}

at::Tensor scale(double value) { return at::full({}, value, at::kFloat); }

// The definition, pair by pair.
std::vector<double> by_hand(const at::Tensor& pictures, const at::Tensor& captions, double factor) {
  const at::Tensor cosines =
      (pictures.unsqueeze(1) * captions.unsqueeze(0)).sum(-1).to(at::kDouble);
  const auto value = [&](std::int64_t i, std::int64_t j) {
    return std::exp(factor * cosines[i][j].item<double>());
  };
  std::vector<double> losses;
  for (std::int64_t i = 0; i < cosines.size(0); ++i) {
    double row = 0, column = 0;
    for (std::int64_t j = 0; j < cosines.size(0); ++j) {
      row += value(i, j);
      column += value(j, i);
    }
    losses.push_back(-0.5 * (std::log(value(i, i) / row) + std::log(value(i, i) / column)));
  }
  return losses;
}

TEST(ContrastiveLoss, IsTheDefinitionPairByPair) {
  const at::Tensor pictures = units({7, 5}, "pictures"), captions = units({7, 5}, "captions");
  const double factor = 9;
  const at::Tensor losses = contrastive_losses(pictures, captions, scale(std::log(factor)));
  const std::vector<double> expected = by_hand(pictures, captions, factor);
  for (std::int64_t i = 0; i < 7; ++i) {
    EXPECT_NEAR(losses[i].item<double>(), expected[static_cast<std::size_t>(i)], 1e-5) << i;
  }
}

TEST(ContrastiveLoss, EqualEmbeddingsTellNothingApart) {
  const at::Tensor same = units({1, 6}, "one").expand({100, 6});
  const at::Tensor losses = contrastive_losses(same, same, scale(2.6592));
  EXPECT_NEAR(losses.mean().item<double>(), std::log(100.0), 1e-5);
}

TEST(ContrastiveLoss, PicturesAndCaptionsPlayTheSamePart) {
  const at::Tensor pictures = units({9, 4}, "left"), captions = units({9, 4}, "right");
  const at::Tensor one = contrastive_losses(pictures, captions, scale(2));
  EXPECT_TRUE(one.allclose(contrastive_losses(captions, pictures, scale(2)), 1e-6, 1e-6));
}

TEST(ContrastiveLoss, ItsGradientIsThatOfItsValue) {
  at::Tensor pictures = units({5, 4}, "p").to(at::kDouble),
             captions = units({5, 4}, "c").to(at::kDouble);
  at::Tensor logit_scale = scale(1.5).to(at::kDouble);
  for (at::Tensor* leaf : {&pictures, &captions, &logit_scale}) leaf->set_requires_grad(true);
  const auto loss = [&] { return contrastive_losses(pictures, captions, logit_scale).mean(); };
  const auto gradients = torch::autograd::grad({loss()}, {pictures, captions, logit_scale});
  const at::Tensor leaves[] = {pictures, captions, logit_scale};
  for (int k = 0; k < 3; ++k) {
    const at::Tensor direction = k == 2 ? at::full({}, 1.0, at::kDouble)
                                        : tests::normal_tensor({5, 4}, "direction").to(at::kDouble);
    const double step = 1e-6;
    const c10::NoGradGuard no_grad;
    const auto at_offset = [&](double offset) {
      const at::Tensor before = leaves[k].clone();
      leaves[k].add_(direction, offset);
      const double value = loss().item<double>();
      leaves[k].copy_(before);
      return value;
    };
    const double slope = (at_offset(step) - at_offset(-step)) / (2 * step);
    EXPECT_NEAR(slope, (gradients[static_cast<std::size_t>(k)] * direction).sum().item<double>(),
                1e-8)
        << k;
  }
}

}  // namespace
}  // namespace sarsweep::trainer
