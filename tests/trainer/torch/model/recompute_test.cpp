#include "trainer/torch/model/recompute.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <string>

#include "tests/trainer/torch/live_bytes.h"
#include "tests/trainer/torch/tiny_pipeline.h"
#include "trainer/torch/model/autoencoder.h"
#include "trainer/torch/model/clip_text.h"
#include "trainer/torch/model/initial_weights.h"
#include "trainer/torch/model/unet.h"

namespace sarsweep::trainer {
namespace {

using tests::LiveBytes;
using tests::normal_tensor;

struct Outcome {
  std::int64_t kept = 0;  // bytes between the forward and the backward pass
  NamedTensors gradients;
};

// `forward` with the graph, and back from the sum of squares.
Outcome outcome_of(const Component& network, const std::function<at::Tensor()>& forward) {
  for (const auto& [name, tensor] : network.parameters()) tensor.mutable_grad().reset();
  Outcome outcome;
  const LiveBytes bytes;
  const at::Tensor loss = forward().square().sum();
  outcome.kept = bytes.now();
  torch::autograd::backward({loss}, {});
  for (const auto& [name, tensor] : network.parameters()) {
    outcome.gradients.emplace_back(name, tensor.grad());
  }
  return outcome;
}

// Recomputed, `network` keeps less than `share` of the bytes, and its gradients are the same.
template <class Network>
void expect_saving(Network& network, double share, const std::function<at::Tensor()>& forward) {
  network.require_grad(true);
  network.set_activations(Activations::keep);
  const Outcome kept = outcome_of(network, forward);
  network.set_activations(Activations::recompute);
  const Outcome again = outcome_of(network, forward);
  EXPECT_LT(static_cast<double>(again.kept), share * static_cast<double>(kept.kept));
  ASSERT_EQ(again.gradients.size(), kept.gradients.size());
  for (std::size_t i = 0; i < kept.gradients.size(); ++i) {
    const auto& [name, gradient] = kept.gradients[i];
    ASSERT_EQ(again.gradients[i].second.defined(), gradient.defined()) << name;
    if (!gradient.defined()) continue;
    EXPECT_TRUE(at::equal(again.gradients[i].second, gradient)) << name;
  }
}

TEST(RecomputedBlocks, OfTheUnetKeepTheirInputsAlone) {
  UNet unet(parse_unet_config(preset_configs("tiny").at("unet")));
  draw_initial_weights(unet, "unet", 1);
  const at::Tensor sample = normal_tensor({2, 4, 16, 16}, "sample");
  const at::Tensor context = normal_tensor({2, 77, 96}, "context");
  const at::Tensor pooled = normal_tensor({2, 48}, "pooled");
  expect_saving(unet, 0.5, [&] {
    return unet.forward(sample, at::full({2}, 300, at::kLong), context, pooled,
                        at::full({2, 6}, 128.0));
  });
}

TEST(RecomputedBlocks, OfATextEncoderKeepTheirInputsAlone) {
  nlohmann::json config = preset_configs("tiny").at("text_encoder_2");
  config["vocab_size"] = 100;
  config["num_hidden_layers"] = 8;
  ClipText text(parse_clip_text_config(config, true));
  draw_initial_weights(text, "text", 1);
  const at::Tensor ids = at::randint(3, 99, {4, 77}, at::kLong);
  for (const bool pooled : {false, true}) {
    expect_saving(text, 0.4, [&] {
      const TextFeatures features = text.forward(ids);
      return pooled ? features.hidden.sum() + features.pooled.sum() : features.hidden;
    });
  }
}

TEST(RecomputedBlocks, OfTheAutoencoderKeepTheirInputsAlone) {
  Autoencoder vae(parse_vae_config(preset_configs("tiny").at("vae")));
  draw_initial_weights(vae, "vae", 1);
  const at::Tensor latents = normal_tensor({2, 4, 8, 8}, "latents");
  const at::Tensor pixels = normal_tensor({2, 3, 64, 64}, "pixels");
  expect_saving(vae, 0.4, [&] { return vae.decode(latents); });
  expect_saving(vae, 0.4, [&] { return vae.encode(pixels).mean; });
}

}  // namespace
}  // namespace sarsweep::trainer
