#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "schema/base/philox.h"
#include "trainer/torch/model/clip_text.h"
#include "trainer/torch/model/component.h"
#include "trainer/torch/model/initial_weights.h"
#include "trainer/torch/model/unet.h"

namespace sarsweep::trainer {
namespace {

struct Count {
  std::int64_t modules = 0, parameters = 0;
  bool operator==(const Count&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Count& count) {
  return out << count.modules << " modules, " << count.parameters << " parameters";
}

Count count_adapters(Component& component, ComponentKind kind, const std::string& targets,
                     std::int64_t rank) {
  for (Layer* layer : component.layers()) layer->adapter.reset();
  attach_adapters(component, kind, targets, rank, static_cast<double>(rank), LoraInit::kaiming, 1);
  Count count;
  for (const Layer* layer : component.layers()) {
    if (!layer->adapter) continue;
    ++count.modules;
    count.parameters += layer->adapter->down.numel() + layer->adapter->up.numel();
  }
  return count;
}

// Modules follow from SDXL's structure (70 blocks of two attentions, 17 resnets, ...); sizes are
// r·(in + out) each.
TEST(Adapters, CountOnTheFullUNetAsItsStructureSays) {
  UNet unet(parse_unet_config(preset_configs("sdxl").at("unet")), at::kMeta);
  const auto count = [&](const char* targets, std::int64_t rank) {
    return count_adapters(unet, ComponentKind::unet, targets, rank);
  };
  EXPECT_EQ(count("attn", 16), (Count{560, 23'224'320}));
  EXPECT_EQ(count("attn", 256), (Count{560, 371'589'120}));
  EXPECT_EQ(count("attn_ff", 256).modules, 700);
  EXPECT_EQ(count("attn_conv", 8).modules, 594);
  EXPECT_EQ(count("transformer", 256).modules, 722);
  EXPECT_EQ(count("transformer_conv", 256).modules, 788);
  // In millions, to the first decimal.
  EXPECT_NEAR(static_cast<double>(count("attn_ff", 256).parameters), 669.8e6, 0.05e6);
  EXPECT_NEAR(static_cast<double>(count("transformer", 256).parameters), 680.9e6, 0.05e6);
  EXPECT_NEAR(static_cast<double>(count("transformer_conv", 256).parameters), 787.0e6, 0.05e6);
  const auto convolutions = count("attn_conv", 256).parameters - count("attn", 256).parameters;
  EXPECT_NEAR(static_cast<double>(convolutions), 83.7e6, 0.05e6);
}

TEST(Adapters, CountOnTheFullTextEncodersAsTheirStructureSays) {
  const nlohmann::json configs = preset_configs("sdxl");
  ClipText first(parse_clip_text_config(configs.at("text_encoder"), false), at::kMeta);
  ClipText second(parse_clip_text_config(configs.at("text_encoder_2"), true), at::kMeta);
  const auto count = [](ClipText& encoder, const char* targets) {
    return count_adapters(encoder, ComponentKind::text_encoder, targets, 8);
  };
  EXPECT_EQ(count(first, "attn"), (Count{48, 589'824}));
  EXPECT_EQ(count(first, "attn_mlp"), (Count{72, 1'327'104}));
  EXPECT_EQ(count(second, "attn"), (Count{128, 2'621'440}));
  EXPECT_EQ(count(second, "attn_mlp"), (Count{192, 5'898'240}));
}

TEST(Adapters, RefuseUnknownTargetsAndRanks) {
  Component component;
  EXPECT_THROW(
      attach_adapters(component, ComponentKind::unet, "attn_mlp", 4, 4, LoraInit::kaiming, 1),
      Error);
  EXPECT_THROW(attach_adapters(component, ComponentKind::text_encoder, "transformer", 4, 4,
                               LoraInit::kaiming, 1),
               Error);
  EXPECT_THROW(attach_adapters(component, ComponentKind::unet, "attn", 0, 4, LoraInit::kaiming, 1),
               Error);
}

struct TinyUNet {
  TinyUNet() : unet(parse_unet_config(preset_configs("tiny").at("unet"))) {
    draw_initial_weights(unet, "unet", 1);
  }
  at::Tensor forward() const {
    return unet.forward(at::ones({1, 4, 16, 16}), at::full({1}, 500.0), at::ones({1, 77, 96}),
                        at::ones({1, 48}), at::full({1, 6}, 128.0));
  }
  UNet unet;
};

void randomize(const at::Tensor& tensor, std::uint64_t index) {
  const RandomStream stream(3, "adapters_test", index);
  stream.fill_normal(tensor.mutable_data_ptr<float>(), static_cast<std::uint64_t>(tensor.numel()));
  tensor.mul_(0.1);
}

TEST(Adapters, FreshOnesChangeNothingAndMergedOnesComputeTheSame) {
  const c10::NoGradGuard no_grad;
  TinyUNet tiny;
  const at::Tensor before = tiny.forward();
  attach_adapters(tiny.unet, ComponentKind::unet, "transformer_conv", 4, 2.0, LoraInit::gaussian,
                  1);
  EXPECT_TRUE(at::allclose(before, tiny.forward(), 0, 1e-7));

  std::uint64_t index = 0;
  for (const Layer* layer : tiny.unet.layers()) {
    if (layer->adapter) randomize(layer->adapter->up, index++);
  }
  const at::Tensor adapted = tiny.forward();
  EXPECT_GT((adapted - before).abs().max().item<double>(), 1e-2);
  merge_adapters(tiny.unet);
  for (const Layer* layer : tiny.unet.layers()) EXPECT_FALSE(layer->adapter.has_value());
  EXPECT_LE((tiny.forward() - adapted).abs().max().item<double>(),
            1e-5 * adapted.abs().max().item<double>());
}

TEST(Adapters, InitialFactorsFollowTheNamedDistribution) {
  const auto deviation = [](LoraInit init) {
    Component component;
    component.add_linear("x.to_q", 400, 50, false);
    attach_adapters(component, ComponentKind::unet, "attn", 100, 100, init, 1);
    return component.layer("x.to_q").adapter->down.std().item<double>();
  };
  EXPECT_NEAR(deviation(LoraInit::kaiming), 1.0 / std::sqrt(3.0 * 400.0), 5e-4);
  EXPECT_NEAR(deviation(LoraInit::gaussian), 1.0 / 100.0, 2e-4);
}

// The output of a layer and the gradients of its input and adapter in double precision.
std::vector<at::Tensor> layer_gradients(bool bias, bool weight_needs_gradient) {
  Component component;
  Layer& layer = *component.add_linear("x.to_q", 7, 5, bias);
  draw_initial_weights(component, "test", 1);
  attach_adapters(component, ComponentKind::unet, "attn", 3, 1.5, LoraInit::kaiming, 1);
  randomize(layer.adapter->up, 0);
  component.to(at::kCPU, at::kDouble);
  at::Tensor x = at::ones({2, 4, 7}, at::kFloat);
  randomize(x, 1);
  x = x.to(at::kDouble).requires_grad_(true);
  at::Tensor weights = at::ones({2, 4, 5}, at::kFloat);
  randomize(weights, 2);
  layer.adapter->down = layer.adapter->down.to(at::kDouble).requires_grad_(true);
  layer.adapter->up = layer.adapter->up.to(at::kDouble).requires_grad_(true);
  component.require_grad(weight_needs_gradient);
  const at::Tensor y = layer(x);
  torch::autograd::backward({(y * y * weights.to(at::kDouble)).sum()}, {});
  return {y.detach(), x.grad(), layer.adapter->down.grad(), layer.adapter->up.grad()};
}

TEST(LoraLinear, OneNodeHasTheGradientsOfTheComposition) {
  for (const bool bias : {true, false}) {
    const std::vector<at::Tensor> node = layer_gradients(bias, false);
    const std::vector<at::Tensor> composition = layer_gradients(bias, true);
    for (std::size_t i = 0; i < node.size(); ++i) {
      EXPECT_GT(composition[i].abs().max().item<double>(), 1e-5);
      EXPECT_TRUE(at::allclose(node[i], composition[i], 1e-12, 1e-14)) << i << " bias " << bias;
    }
  }
}

TEST(LoraLinear, InputsThatNeedNoGradientGetNone) {
  Component component;
  Layer& layer = *component.add_linear("x.to_q", 7, 5, false);
  draw_initial_weights(component, "test", 1);
  attach_adapters(component, ComponentKind::unet, "attn", 3, 1.5, LoraInit::kaiming, 1);
  layer.adapter->up.set_requires_grad(true);
  torch::autograd::backward({layer(at::ones({2, 7})).sum()}, {});
  EXPECT_TRUE(layer.adapter->up.grad().defined());
  EXPECT_FALSE(layer.adapter->down.grad().defined());
}

}  // namespace
}  // namespace sarsweep::trainer
