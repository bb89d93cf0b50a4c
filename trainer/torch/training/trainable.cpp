#include "trainer/torch/training/trainable.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "trainer/torch/model/learned_tokens.h"

namespace sarsweep::trainer {
namespace {

bool has_adapters(Component& component) {
  for (const Layer* layer : component.layers()) {
    if (layer->adapter) return true;
  }
  return false;
}

// Whether `component` already has exactly the adapters that `plan` (on the meta device) has.
bool same_adapters(Component& component, Component& plan) {
  const std::vector<Layer*> have = component.layers();
  const std::vector<Layer*> want = plan.layers();
  for (std::size_t i = 0; i < have.size(); ++i) {
    if (have[i]->adapter.has_value() != want[i]->adapter.has_value()) return false;
    if (!have[i]->adapter) continue;
    const bool equal = have[i]->adapter->rank == want[i]->adapter->rank &&
                       have[i]->adapter->alpha == want[i]->adapter->alpha;
    if (!equal) return false;
  }
  return true;
}

void ensure_adapters(Component& component, Component&& plan, ComponentKind kind,
                     const NetworkConfig& config, std::uint64_t seed) {
  const LoraInit init = config.init == "gaussian" ? LoraInit::gaussian : LoraInit::kaiming;
  if (has_adapters(component)) {
    attach_adapters(plan, kind, config.targets, config.rank, config.alpha, init, seed);
    if (same_adapters(component, plan)) return;
    merge_adapters(component);
  }
  attach_adapters(component, kind, config.targets, config.rank, config.alpha, init, seed);
}

NamedTensors adapter_tensors(Component& component, const std::string& prefix) {
  NamedTensors tensors;
  for (const Layer* layer : component.layers()) {
    if (!layer->adapter) continue;
    const std::string name = prefix + "." + layer->name;
    tensors.emplace_back(name + ".lora_A.weight", layer->adapter->down);
    tensors.emplace_back(name + ".lora_B.weight", layer->adapter->up);
  }
  return tensors;
}

NamedTensors parameter_tensors(const Component& component, const std::string& prefix) {
  NamedTensors tensors;
  for (const auto& [name, tensor] : component.parameters()) {
    tensors.emplace_back(prefix + "." + name, tensor);
  }
  return tensors;
}

// What stands between latents and pictures.
NamedTensors decoder_tensors(const Autoencoder& vae) {
  NamedTensors tensors;
  for (auto& [name, tensor] : parameter_tensors(vae, "vae")) {
    if (name.starts_with("vae.decoder.") || name.starts_with("vae.post_quant_conv.")) {
      tensors.emplace_back(name, tensor);
    }
  }
  return tensors;
}

void freeze(Component& component) {
  component.require_grad(false);
  for (auto& [name, tensor] : adapter_tensors(component, "")) tensor.set_requires_grad(false);
}

ParameterGroup train_group(std::string name, double lr, NamedTensors tensors) {
  for (auto& [tensor_name, tensor] : tensors) tensor.set_requires_grad(true);
  return {std::move(name), lr, /*decays=*/true, std::move(tensors)};
}

TokenInit token_init(const std::string& name) {
  if (name == "random") return TokenInit::random;
  return name == "word" ? TokenInit::word : TokenInit::mean;
}

void require_learned(const Pipeline& pipeline, const TokenConfig& token) {
  const std::vector<std::string>& known = pipeline.learned_tokens;
  for (const std::string& text : token.texts) {
    if (std::find(known.begin(), known.end(), text) != known.end()) continue;
    throw Error(ErrorCode::invalid,
                fmt::format("token.text is '{}', which the model has not learned, and token.train "
                            "is false; set token.train: true, or leave token.text out",
                            text),
                "token.text");
  }
}

void add_tokens(std::vector<ParameterGroup>& groups, Pipeline& pipeline, const TokenConfig& token,
                std::uint64_t seed) {
  if (!token.train) return require_learned(pipeline, token);
  add_learned_tokens(pipeline, token.texts, token_init(token.init), seed);
  if (pipeline.learned_tokens.empty()) {
    throw Error(ErrorCode::invalid,
                "token.train is true and there is no token; name one in token.text, such as <SAR>",
                "token.text");
  }
  ParameterGroup group = train_group("token", token.lr, learned_rows(pipeline));
  group.decays = false;
  groups.push_back(std::move(group));
}

// `plan` is the same network on the meta device.
void add_network(std::vector<ParameterGroup>& groups, Component& component, Component&& plan,
                 const NetworkConfig& config, const std::string& group, std::uint64_t seed) {
  if (config.mode == TrainMode::frozen) return;
  const ComponentKind kind = group == "unet" ? ComponentKind::unet : ComponentKind::text_encoder;
  const std::string prefix = group == "text_encoder_1" ? "text_encoder" : group;
  if (config.mode == TrainMode::full) {
    merge_adapters(component);
    groups.push_back(train_group(group, config.lr, parameter_tensors(component, prefix)));
    return;
  }
  ensure_adapters(component, std::move(plan), kind, config, seed);
  groups.push_back(train_group(group, config.lr, adapter_tensors(component, prefix)));
}

void add_copies(ComputeCopies& copies, Component& component) {
  for (const Layer* layer : component.layers()) {
    copies.emplace(layer->weight.unsafeGetTensorImpl(), &layer->compute);
    if (layer->bias.defined()) {
      copies.emplace(layer->bias.unsafeGetTensorImpl(), &layer->compute_bias);
    }
    if (!layer->adapter) continue;
    const Adapter& adapter = *layer->adapter;
    copies.emplace(adapter.down.unsafeGetTensorImpl(), &adapter.compute_down);
    copies.emplace(adapter.up.unsafeGetTensorImpl(), &adapter.compute_up);
  }
}

}  // namespace

ComputeCopies compute_copies(Pipeline& pipeline) {
  ComputeCopies copies;
  for (Component* part : std::initializer_list<Component*>{&pipeline.unet, &pipeline.text_encoder,
                                                           &pipeline.text_encoder_2}) {
    add_copies(copies, *part);
  }
  return copies;
}

std::vector<ParameterGroup> select_trainable(Pipeline& pipeline, const RunConfig& config,
                                             std::uint64_t seed) {
  Component* const parts[] = {&pipeline.unet, &pipeline.vae, &pipeline.text_encoder,
                              &pipeline.text_encoder_2};
  for (Component* part : parts) freeze(*part);
  for (auto& [name, rows] : learned_rows(pipeline)) rows.set_requires_grad(false);
  std::vector<ParameterGroup> groups;
  if (config.job == "vae") {
    groups.push_back(train_group("vae", config.vae.lr, parameter_tensors(pipeline.vae, "vae")));
    return groups;
  }
  add_network(groups, pipeline.unet, UNet(pipeline.unet.config(), at::kMeta), config.unet, "unet",
              seed);
  add_network(groups, pipeline.text_encoder, ClipText(pipeline.text_encoder.config(), at::kMeta),
              config.text_encoder_1, "text_encoder_1", seed);
  add_network(groups, pipeline.text_encoder_2,
              ClipText(pipeline.text_encoder_2.config(), at::kMeta), config.text_encoder_2,
              "text_encoder_2", seed);
  add_tokens(groups, pipeline, config.token, seed);
  if (config.vae.mode == VaeMode::decoder) {
    groups.push_back(train_group("vae", config.vae.lr, decoder_tensors(pipeline.vae)));
  }
  if (groups.empty()) {
    throw Error(ErrorCode::invalid,
                "nothing trains: unet.mode, text_encoder_1.mode, text_encoder_2.mode and vae.mode "
                "are all frozen and no token trains; set one to full, lora or (vae) decoder",
                "unet.mode");
  }
  return groups;
}

NamedTensors all_tensors(const std::vector<ParameterGroup>& groups) {
  NamedTensors all;
  for (const ParameterGroup& group : groups) {
    all.insert(all.end(), group.tensors.begin(), group.tensors.end());
  }
  return all;
}

void load_tensors_into(const std::vector<ParameterGroup>& groups, const NamedTensors& values) {
  std::unordered_map<std::string, at::Tensor> trained;
  for (auto& [name, tensor] : all_tensors(groups)) trained.emplace(name, tensor);
  const c10::NoGradGuard no_grad;
  for (const auto& [name, value] : values) {
    const auto found = trained.find(name);
    if (found == trained.end()) {
      throw Error(ErrorCode::invalid, fmt::format("'{}' is not trained in this run", name));
    }
    if (found->second.sizes() != value.sizes()) {
      throw Error(
          ErrorCode::invalid,
          fmt::format("tensor '{}' has shape [{}], this run trains [{}]", name,
                      fmt::join(value.sizes(), ", "), fmt::join(found->second.sizes(), ", ")));
    }
    found->second.copy_(value);
  }
}

}  // namespace sarsweep::trainer
