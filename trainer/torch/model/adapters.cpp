#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "schema/base/philox.h"
#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {
namespace {

bool contains(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  for (const std::string_view ending : endings) {
    if (name.ends_with(ending)) return true;
  }
  return false;
}

bool is_attention(std::string_view name) {
  return ends_with_any(name, {".to_q", ".to_k", ".to_v", ".to_out.0"});
}

bool is_feed_forward(std::string_view name) { return contains(name, ".ff.net."); }

bool is_resnet_conv(std::string_view name) {
  return contains(name, ".resnets.") && ends_with_any(name, {".conv1", ".conv2"});
}

bool is_transformer(std::string_view name) { return contains(name, ".attentions."); }

bool is_resnet_or_sampler(std::string_view name) {
  return contains(name, ".resnets.") || contains(name, "samplers.");
}

bool unet_target(std::string_view name, std::string_view targets) {
  if (targets == "attn") return is_attention(name);
  if (targets == "attn_ff") return is_attention(name) || is_feed_forward(name);
  if (targets == "attn_conv") return is_attention(name) || is_resnet_conv(name);
  if (targets == "transformer") return is_transformer(name);
  return is_transformer(name) || is_resnet_or_sampler(name);
}

bool text_target(std::string_view name, std::string_view targets) {
  if (contains(name, ".self_attn.")) return true;
  return targets == "attn_mlp" && contains(name, ".mlp.");
}

void require_known(ComponentKind kind, const std::string& targets) {
  static const std::vector<std::string> kUnet = {"attn", "attn_ff", "attn_conv", "transformer",
                                                 "transformer_conv"};
  static const std::vector<std::string> kText = {"attn", "attn_mlp"};
  const std::vector<std::string>& known = kind == ComponentKind::unet ? kUnet : kText;
  if (std::find(known.begin(), known.end(), targets) != known.end()) return;
  throw Error(ErrorCode::invalid, fmt::format("'{}' is no set of LoRA targets; use one of {}",
                                              targets, fmt::join(known, ", ")));
}

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

// kaiming: uniform with a = √5, hence bound 1/√fan_in (PEFT, kohya); gaussian: standard deviation
// 1/rank (diffusers' scripts).
void draw_down(at::Tensor& down, LoraInit init, std::uint64_t seed, std::string_view layer_name) {
  const RandomStream stream(seed, "lora_init", fnv1a(layer_name));
  const std::int64_t rank = down.size(0);
  const double bound = 1.0 / std::sqrt(static_cast<double>(down.numel() / rank));
  auto* values = down.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < down.numel(); ++i) {
    const auto index = static_cast<std::uint64_t>(i);
    const double value = init == LoraInit::kaiming
                             ? bound * (2.0 * stream.uniform(index) - 1.0)
                             : stream.normal(index) / static_cast<double>(rank);
    values[i] = static_cast<float>(value);
  }
}

Adapter fresh_adapter(const Layer& layer, std::int64_t rank, double alpha) {
  std::vector<std::int64_t> down_shape = layer.weight.sizes().vec();
  down_shape[0] = rank;
  std::vector<std::int64_t> up_shape(layer.weight.dim(), 1);
  up_shape[0] = layer.weight.size(0);
  up_shape[1] = rank;
  const bool shape_only = layer.weight.is_meta();
  const at::TensorOptions options = at::device(shape_only ? at::kMeta : at::kCPU).dtype(at::kFloat);
  return {at::empty(down_shape, options), at::zeros(up_shape, options), rank, alpha};
}

}  // namespace

void attach_adapters(Component& component, ComponentKind kind, const std::string& targets,
                     std::int64_t rank, double alpha, LoraInit init, std::uint64_t seed) {
  require_known(kind, targets);
  if (rank < 1)
    throw Error(ErrorCode::invalid, fmt::format("LoRA rank must be >= 1, not {}", rank));
  for (Layer* layer : component.layers()) {
    const bool chosen = kind == ComponentKind::unet ? unet_target(layer->name, targets)
                                                    : text_target(layer->name, targets);
    if (!chosen) continue;
    Adapter adapter = fresh_adapter(*layer, rank, alpha);
    if (!adapter.down.is_meta()) {
      draw_down(adapter.down, init, seed, layer->name);
      adapter.down = adapter.down.to(layer->weight.device());
      adapter.up = adapter.up.to(layer->weight.device());
    }
    layer->adapter = std::move(adapter);
  }
}

void merge_adapters(Component& component) {
  const c10::NoGradGuard no_grad;
  for (Layer* layer : component.layers()) {
    if (!layer->adapter) continue;
    const Adapter& adapter = *layer->adapter;
    const at::Tensor delta = at::mm(adapter.up.flatten(1), adapter.down.flatten(1));
    const at::Tensor merged =
        layer->weight.to(at::kFloat).add(delta.view(layer->weight.sizes()), adapter.scale());
    layer->weight.set_data(merged);  // fp32 also where the weight was held narrow
    layer->compute.forget();
    layer->adapter.reset();
  }
}

}  // namespace sarsweep::trainer
