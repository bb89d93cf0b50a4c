#include "trainer/torch/model/component.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <torch/csrc/autograd/autograd.h>

#include "schema/base/error.h"
#include "trainer/torch/model/base_layer.h"
#include "trainer/torch/model/initial_weights.h"
#include "trainer/torch/model/unet.h"

namespace sarsweep::trainer {
namespace {

using testing::HasSubstr;

Component one_linear() {
  Component component;
  component.add_linear("a", 3, 2, true);
  draw_initial_weights(component, "test", 1);
  return component;
}

TEST(Component, SetReachesTheLayerAndConvertsTheType) {
  Component component = one_linear();
  component.set("a.weight", at::ones({2, 3}, at::kHalf));
  component.set("a.bias", at::ones({2}, at::kDouble));
  const at::Tensor y = component.layer("a")(at::ones({1, 3}));
  EXPECT_TRUE(at::allclose(y, at::full({1, 2}, 4.0)));
}

TEST(Component, SetRefusesAnotherShapeAndNamesBoth) {
  Component component = one_linear();
  try {
    component.set("a.weight", at::ones({3, 2}));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_THAT(error.what(),
                HasSubstr("'a.weight' has shape [3, 2], the configuration makes it [2, 3]"));
  }
}

TEST(Component, UnknownNamesAreNotFound) {
  Component component = one_linear();
  EXPECT_THROW(component.parameter("b.weight"), Error);
  EXPECT_THROW(component.layer("a.weight"), Error);
}

TEST(Component, ConversionKeepsLayersAndParametersTheSameTensors) {
  Component component = one_linear();
  component.require_grad(true);
  component.to(at::kCPU, at::kDouble);
  EXPECT_EQ(component.layer("a").weight.scalar_type(), at::kDouble);
  EXPECT_TRUE(component.layer("a").weight.is_same(component.parameter("a.weight")));
  EXPECT_TRUE(component.layer("a").weight.requires_grad());
}

TEST(Component, MovingAModelKeepsItsForwardPass) {
  UNet first(parse_unet_config(preset_configs("tiny").at("unet")));
  draw_initial_weights(first, "unet", 1);
  const auto run = [](const UNet& unet) {
    return unet.forward(at::ones({1, 4, 16, 16}), at::full({1}, 500.0), at::ones({1, 77, 96}),
                        at::ones({1, 48}), at::full({1, 6}, 128.0));
  };
  const at::Tensor before = run(first);
  const UNet second = std::move(first);
  EXPECT_TRUE(before.equal(run(second)));
}

TEST(Component, ForwardTakesSizesThatDoNotHalveEvenly) {
  UNet unet(parse_unet_config(preset_configs("tiny").at("unet")));
  draw_initial_weights(unet, "unet", 1);
  const at::Tensor y = unet.forward(at::ones({1, 4, 13, 18}), at::ones({1}), at::ones({1, 77, 96}),
                                    at::ones({1, 48}), at::ones({1, 6}));
  EXPECT_EQ(y.sizes(), at::IntArrayRef({1, 4, 13, 18}));
}

// A UNet as it comes from a half-precision file, with adapters that are no longer zero.
UNet half_precision_unet() {
  UNet unet(parse_unet_config(preset_configs("tiny").at("unet")));
  draw_initial_weights(unet, "unet", 1);
  for (const auto& [name, tensor] : unet.parameters()) unet.set(name, tensor.to(at::kHalf));
  attach_adapters(unet, ComponentKind::unet, "attn_conv", 2, 1.0, LoraInit::gaussian, 1);
  for (Layer* layer : unet.layers()) {
    if (!layer->adapter) continue;
    layer->adapter->up.fill_(0.01);
    layer->adapter->up.set_requires_grad(true);
  }
  return unet;
}

struct Pass {
  at::Tensor output;
  std::vector<at::Tensor> gradients;  // of every adapter's factor `up`
};

Pass pass_of(UNet& unet) {
  at::Tensor x = at::arange(4 * 16 * 16, at::kFloat).sin().view({1, 4, 16, 16});
  Pass pass{unet.forward(x, at::full({1}, 500.0), at::ones({1, 77, 96}), at::ones({1, 48}),
                         at::full({1, 6}, 128.0)),
            {}};
  torch::autograd::backward({pass.output.square().sum()}, {});
  for (const Layer* layer : unet.layers()) {
    if (layer->adapter) pass.gradients.push_back(layer->adapter->up.grad());
  }
  return pass;
}

TEST(NarrowWeights, ChangeNoResult) {
  UNet wide = half_precision_unet(), narrow = half_precision_unet();
  hold_narrow(narrow);
  for (const Layer* layer : narrow.layers()) {
    EXPECT_EQ(layer->weight.scalar_type(), at::kHalf) << layer->name;
  }
  const Pass expected = pass_of(wide), pass = pass_of(narrow);
  EXPECT_TRUE(pass.output.equal(expected.output));
  ASSERT_EQ(pass.gradients.size(), expected.gradients.size());
  for (std::size_t i = 0; i < pass.gradients.size(); ++i) {
    EXPECT_TRUE(pass.gradients[i].equal(expected.gradients[i])) << i;
    EXPECT_GT(pass.gradients[i].abs().max().item<double>(), 0) << i;
  }
}

TEST(NarrowWeights, ChangeNoGradientOfTheInputWithoutAdapters) {
  const auto make = [] {
    Component component;
    component.add_linear("plain", 6, 4, false);
    component.add_linear("biased", 6, 4, true);
    component.add_conv("strided", 2, 3, 3, 2, 1);
    draw_initial_weights(component, "test", 1);
    for (const auto& [name, tensor] : component.parameters()) {
      component.set(name, tensor.to(at::kHalf));
    }
    return component;
  };
  const auto gradient = [](const Layer& layer) {
    const std::vector<std::int64_t> shape = layer.weight.dim() == 2
                                                ? std::vector<std::int64_t>{2, 5, 6}
                                                : std::vector<std::int64_t>{2, 2, 5, 7};
    at::Tensor x = at::ones(shape).cumsum(-1).set_requires_grad(true);
    torch::autograd::backward({layer(x).square().sum()}, {});
    return x.grad();
  };
  Component wide = make(), narrow = make();
  hold_narrow(narrow);
  for (const Layer* layer : wide.layers()) {
    EXPECT_TRUE(gradient(narrow.layer(layer->name)).equal(gradient(*layer))) << layer->name;
  }
}

TEST(NarrowWeights, AreMergedInFullPrecision) {
  UNet wide = half_precision_unet(), narrow = half_precision_unet();
  hold_narrow(narrow);
  merge_adapters(wide);
  merge_adapters(narrow);
  for (const auto& [name, tensor] : wide.parameters()) {
    EXPECT_TRUE(narrow.parameter(name).to(at::kFloat).equal(tensor)) << name;
  }
}

TEST(NarrowWeights, AreThoseThatLoseNothingAndDoNotTrain) {
  Component component;
  for (const char* name : {"half", "bfloat", "full", "trained"}) {
    component.add_linear(name, 3, 2, false);
    component.set(std::string(name) + ".weight", at::ones({2, 3}));
  }
  component.set("bfloat.weight", at::full({2, 3}, 1e30, at::kBFloat16));  // infinite in fp16
  component.set("full.weight", at::full({2, 3}, 1.0 / 3));
  component.layer("trained").weight.set_requires_grad(true);
  hold_narrow(component);
  EXPECT_EQ(component.layer("half").weight.scalar_type(), at::kHalf);
  EXPECT_EQ(component.layer("bfloat").weight.scalar_type(), at::kBFloat16);
  EXPECT_EQ(component.layer("full").weight.scalar_type(), at::kFloat);
  EXPECT_EQ(component.layer("trained").weight.scalar_type(), at::kFloat);
}

TEST(InitialWeights, DependOnSeedPartAndNameAlone) {
  const auto draw = [](const char* part, std::uint64_t seed, bool extra) {
    Component component;
    if (extra) component.add_linear("before", 5, 5, true);
    component.add_linear("a", 30, 20, true);
    draw_initial_weights(component, part, seed);
    return component.parameter("a.weight");
  };
  const at::Tensor reference = draw("unet", 1, false);
  EXPECT_TRUE(reference.equal(draw("unet", 1, true)));
  EXPECT_FALSE(reference.equal(draw("unet", 2, false)));
  EXPECT_FALSE(reference.equal(draw("vae", 1, false)));
}

TEST(InitialWeights, FollowPyTorchsBoundsByKind) {
  UNet unet(parse_unet_config(preset_configs("tiny").at("unet")));
  draw_initial_weights(unet, "unet", 1);
  const double bound = 1.0 / std::sqrt(4.0 * 9.0);  // conv_in: 4 channels, 3×3
  const at::Tensor weight = unet.parameter("conv_in.weight");
  EXPECT_LE(weight.abs().max().item<double>(), bound);
  EXPECT_NEAR(weight.std().item<double>(), bound / std::sqrt(3.0), 0.05 * bound);
  EXPECT_LE(unet.parameter("conv_in.bias").abs().max().item<double>(), bound);
  EXPECT_TRUE(unet.parameter("conv_norm_out.weight").equal(at::ones({16})));
  EXPECT_EQ(unet.parameter("conv_norm_out.bias").abs().max().item<double>(), 0.0);
}

}  // namespace
}  // namespace sarsweep::trainer
