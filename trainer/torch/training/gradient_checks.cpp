#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include <c10/core/GradMode.h>

#include "schema/base/philox.h"
#include "trainer/core/config/model_config.h"
#include "trainer/torch/model/attention.h"
#include "trainer/torch/model/autoencoder.h"
#include "trainer/torch/model/clip_text.h"
#include "trainer/torch/model/initial_weights.h"
#include "trainer/torch/model/norm.h"
#include "trainer/torch/model/unet.h"
#include "trainer/torch/training/refinement_terms.h"
#include "trainer/torch/training/self_checks.h"

namespace sarsweep::trainer {
namespace {

// Some ten times what was seen on CPUs, bf16 three times. The histogram's slope jumps where an
// amplitude crosses the centre of a bin.
constexpr double kLossError = 2e-6, kGradientError = 5e-5, kDifferenceError = 1e-6,
                 kJumpingDifferenceError = 1e-4, kNarrowError = 0.2;

at::Tensor normals(const std::string& name, at::IntArrayRef shape) {
  at::Tensor values = at::empty(shape, at::kFloat);
  RandomStream(1, name, 0)
      .fill_normal(values.mutable_data_ptr<float>(), static_cast<std::uint64_t>(values.numel()));
  return values;
}

std::vector<at::Tensor> parameters_of(Component& network) {
  std::vector<at::Tensor> all;
  for (const auto& [name, tensor] : network.parameters()) all.push_back(tensor);
  return all;
}

std::vector<at::Tensor> trained_in(Component& network) {
  std::vector<at::Tensor> all = parameters_of(network);
  for (const Layer* layer : network.layers()) {
    if (!layer->adapter) continue;
    all.push_back(layer->adapter->down);
    all.push_back(layer->adapter->up);
  }
  return all;
}

struct Derivative {
  double loss = 0;
  std::vector<at::Tensor> gradients;  // fp64, on the CPU; zeros where there is none
  at::Tensor flat() const {
    std::vector<at::Tensor> rows;
    for (const at::Tensor& gradient : gradients) rows.push_back(gradient.flatten());
    return at::cat(rows);
  }
};

Derivative derivative_of(const std::vector<at::Tensor>& leaves, const at::Tensor& loss) {
  torch::autograd::backward({loss}, {});
  Derivative result{loss.item<double>(), {}};
  for (const at::Tensor& leaf : leaves) {
    const at::Tensor gradient = leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf);
    result.gradients.push_back(gradient.to(at::kCPU, at::kDouble));
    leaf.mutable_grad().reset();
  }
  return result;
}

Derivative derivative_of(Component& network, at::Device device, at::ScalarType type,
                         const CheckedLoss& loss) {
  std::vector<at::Tensor> leaves = trained_in(network);
  for (const at::Tensor& leaf : leaves) leaf.set_requires_grad(true);
  return derivative_of(leaves, loss(device, type));
}

double distance(const Derivative& got, const Derivative& reference) {
  const at::Tensor exact = reference.flat();
  return ((got.flat() - exact).norm() / exact.norm()).item<double>();
}

// How far the slope of `loss` along `gradients` of `leaves`, by differences, is from the length of
// that gradient. The leaves are fp64 and are given back as they were, but for rounding.
double slope_error(const std::vector<at::Tensor>& leaves, const std::vector<at::Tensor>& gradients,
                   const std::function<at::Tensor()>& loss) {
  constexpr double kStep = 1e-5;
  const c10::NoGradGuard no_grad;
  double length = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i)
    length += gradients[i].square().sum().item<double>();
  length = std::sqrt(length);
  const auto at_distance = [&](double step) {
    for (std::size_t i = 0; i < leaves.size(); ++i) leaves[i].add_(gradients[i], step / length);
    return loss().item<double>();
  };
  const double ahead = at_distance(kStep), behind = at_distance(-2 * kStep);
  at_distance(kStep);
  return std::abs((ahead - behind) / (2 * kStep) / length - 1);
}

// Weights of order 1/√fan_in, norms near 1 and 0.
void draw(Component& layer) {
  for (const auto& [name, tensor] : layer.parameters()) {
    const bool matrix = tensor.dim() > 1;
    const double spread = matrix ? 1 / std::sqrt(static_cast<double>(tensor[0].numel())) : 0.1;
    const double centre = !matrix && name.ends_with("norm.weight") ? 1 : 0;
    layer.set(name, normals(name, tensor.sizes()) * spread + centre);
  }
}

// A fresh adapter's second factor is zero: this one pulls.
void draw_adapters(Component& network) {
  for (const Layer* layer : network.layers()) {
    if (!layer->adapter) continue;
    layer->adapter->up.copy_(normals(layer->name, layer->adapter->up.sizes()) * 0.1);
  }
}

void attach(Layer& layer, std::int64_t rank) {
  const at::IntArrayRef shape = layer.weight.sizes();
  std::vector<std::int64_t> down = shape.vec(), up(shape.size(), 1);
  down[0] = rank;
  up[0] = shape[0];
  up[1] = rank;
  layer.adapter = Adapter{normals("down", down) * 0.1, normals("up", up) * 0.1, rank, 0.5};
}

using Checks = std::vector<SelfCheck>;

void append(Checks& all, Checks more) {
  for (SelfCheck& check : more) all.push_back(std::move(check));
}

// of(x) of [..] inputs that have a gradient themselves.
template <class Of>
CheckedLoss loss_on(const at::Tensor& input, Of of) {
  return [input, of](at::Device device, at::ScalarType type) {
    const at::Tensor x = input.to(device, type).set_requires_grad(true);
    return of(x).to(at::kDouble).square().mean();
  };
}

Checks layer_checks(at::Device device) {
  Checks checks;
  Component dense, adapted, convolved;
  const Layer* linear = dense.add_linear("linear", 64, 96, true);
  Layer* lora = adapted.add_linear("linear", 64, 96, true);
  Layer* conv = convolved.add_conv("conv", 16, 24, 3, 1, 1);
  attach(*lora, 8);
  attach(*conv, 4);
  for (Component* layer : {&dense, &adapted, &convolved}) draw(*layer);
  const at::Tensor rows = normals("rows", {2, 256, 64}), map = normals("map", {2, 16, 24, 24});
  append(checks, check_network("linear layer", dense, device,
                               loss_on(rows, [=](const at::Tensor& x) { return (*linear)(x); })));
  append(checks, check_network("linear layer with LoRA", adapted, device,
                               loss_on(rows, [=](const at::Tensor& x) { return (*lora)(x); })));
  append(checks, check_network("convolution with LoRA", convolved, device,
                               loss_on(map, [=](const at::Tensor& x) { return (*conv)(x); })));
  Component grouped, layered;
  const GroupNorm group_norm(grouped, "norm", 16, 4, 1e-5);
  const LayerNorm layer_norm(layered, "norm", 64, 1e-5);
  draw(grouped);
  draw(layered);
  const auto cubed = [](const at::Tensor& y) { return y * y.square(); };  // no symmetric loss
  append(checks, check_network("group norm", grouped, device,
                               loss_on(map, [&](const auto& x) { return cubed(group_norm(x)); })));
  append(checks, check_network("layer norm", layered, device,
                               loss_on(rows, [&](const auto& x) { return cubed(layer_norm(x)); })));
  return checks;
}

Checks attention_checks(at::Device device) {
  Checks checks;
  const at::Tensor tokens = normals("tokens", {4, 256, 64}), text = normals("text", {4, 77, 96});
  const auto check = [&](const char* name, std::int64_t context_width, bool bias, Mask mask) {
    Component owner;
    Attention::Options options;
    options.width = 64;
    options.context_width = context_width;
    options.heads = 4;
    options.qkv_bias = bias;
    const Attention attention(owner, "attention", options);
    draw(owner);
    append(checks, check_network(name, owner, device, loss_on(tokens, [&](const at::Tensor& x) {
                                   return attention(
                                       x, context_width == 64 ? x : text.to(x.options()), mask);
                                 })));
  };
  check("self-attention", 64, false, Mask::none);
  check("cross-attention", 96, false, Mask::none);
  check("causal attention", 64, true, Mask::causal);
  return checks;
}

Checks unet_checks(at::Device device) {
  Checks checks;
  UNet unet(parse_unet_config(preset_configs("tiny").at("unet")));
  const at::Tensor context = normals("context", {2, 77, 96}), pooled = normals("pooled", {2, 48});
  const CheckedLoss loss = loss_on(normals("sample", {2, 4, 16, 16}), [&](const at::Tensor& x) {
    const at::Tensor times = at::full({2}, 300, at::device(x.device()).dtype(at::kLong));
    const at::Tensor sizes = at::full({2, 6}, 128.0, at::device(x.device()).dtype(at::kFloat));
    return unet.forward(x, times, context.to(x.options()), pooled.to(x.options()), sizes);
  });
  draw_initial_weights(unet, "unet", 1);
  append(checks, check_network("UNet", unet, device, loss));
  unet.to(at::kCPU, at::kFloat);
  attach_adapters(unet, ComponentKind::unet, "transformer_conv", 2, 1.0, LoraInit::kaiming, 1);
  draw_adapters(unet);
  append(checks, check_network("UNet with LoRA", unet, device, loss));
  return checks;
}

Checks text_checks(at::Device device) {
  constexpr std::int64_t kWords = 1000;
  Checks checks;
  for (const bool second : {false, true}) {
    nlohmann::json config = preset_configs("tiny").at(second ? "text_encoder_2" : "text_encoder");
    config["vocab_size"] = kWords;
    ClipText text(parse_clip_text_config(config, second));
    draw_initial_weights(text, "text", 1);
    const at::Tensor ids = (at::arange(2 * 77, at::kLong) * 37 % kWords).view({2, 77});
    append(checks, check_network(second ? "text encoder 2" : "text encoder 1", text, device,
                                 [&](at::Device on, at::ScalarType type) {
                                   const TextFeatures features = text.forward(ids.to(on), type);
                                   at::Tensor loss =
                                       features.hidden.to(at::kDouble).square().mean();
                                   if (second) {
                                     loss = loss + features.pooled.to(at::kDouble).square().mean();
                                   }
                                   return loss;
                                 }));
  }
  return checks;
}

Checks vae_checks(at::Device device) {
  Autoencoder vae(parse_vae_config(preset_configs("tiny").at("vae")));
  draw_initial_weights(vae, "vae", 1);
  Checks checks = check_network("VAE decoder", vae, device,
                                loss_on(normals("latents", {1, 4, 8, 8}),
                                        [&](const at::Tensor& x) { return vae.decode(x); }));
  vae.to(at::kCPU, at::kFloat);
  append(checks, check_network("VAE encoder", vae, device,
                               loss_on(normals("pixels", {1, 3, 64, 64}),
                                       [&](const at::Tensor& x) { return vae.encode(x).mean; })));
  return checks;
}

// Of amplitudes in fp64, as training takes them: by differences alone.
Checks term_checks() {
  const auto amplitudes = [](const char* name) {
    return (normals(name, {2, 24, 24}).abs() * 0.2 + 0.05).to(at::kDouble).clamp_max(0.99);
  };
  const at::Tensor real = amplitudes("real"), decoded = amplitudes("decoded");
  Checks checks;
  const auto check = [&](const char* name, double allowed,
                         const std::function<at::Tensor()>& term) {
    decoded.set_requires_grad(true);
    const Derivative derivative = derivative_of({decoded}, term().sum());
    checks.push_back({std::string(name) + ": gradient against differences",
                      slope_error({decoded}, derivative.gradients, [&] { return term().sum(); }),
                      allowed});
  };
  check("local Rayleigh term", kDifferenceError,
        [&] { return rayleigh_term(decoded, real, /*literal=*/false); });
  check("literal Rayleigh term", kDifferenceError,
        [&] { return rayleigh_term(decoded, real, /*literal=*/true); });
  check("histogram term", kJumpingDifferenceError,
        [&] { return histogram_term(decoded, real, 32); });
  check("spectrum term", kDifferenceError, [&] { return spectrum_term(decoded, real); });
  return checks;
}

}  // namespace

std::vector<SelfCheck> check_network(const std::string& name, Component& network, at::Device device,
                                     const CheckedLoss& loss) {
  network.to(device, at::kFloat);
  const Derivative whole = derivative_of(network, device, at::kFloat, loss);
  const Derivative narrow = derivative_of(network, device, at::kBFloat16, loss);
  network.to(at::kCPU, at::kDouble);
  const Derivative exact = derivative_of(network, at::kCPU, at::kDouble, loss);
  const auto in_fp64 = [&] { return loss(at::kCPU, at::kDouble); };
  return {{name + ": loss", std::abs(whole.loss / exact.loss - 1), kLossError},
          {name + ": gradient", distance(whole, exact), kGradientError},
          {name + ": gradient against differences",
           slope_error(parameters_of(network), exact.gradients, in_fp64), kDifferenceError},
          {name + ": gradient in bf16", distance(narrow, exact), kNarrowError}};
}

std::vector<SelfCheck> gradient_checks(at::Device device) {
  Checks checks = layer_checks(device);
  append(checks, attention_checks(device));
  append(checks, unet_checks(device));
  append(checks, text_checks(device));
  append(checks, vae_checks(device));
  append(checks, term_checks());
  return checks;
}

}  // namespace sarsweep::trainer
