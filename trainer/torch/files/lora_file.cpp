#include "trainer/torch/files/lora_file.h"

#include <ATen/ops/scalar_tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr LoraComponent kComponents[] = {LoraComponent::unet, LoraComponent::text_encoder,
                                         LoraComponent::text_encoder_2};

LoraLayers with_adapters(LoraLayers layers) {
  layers.erase(std::remove_if(layers.begin(), layers.end(),
                              [](const auto& entry) { return !entry.second->adapter; }),
               layers.end());
  if (layers.empty()) {
    throw Error(ErrorCode::invalid, "there is no adapter to save: the model has no LoRA attached");
  }
  return layers;
}

// What PEFT's LoraConfig of one component must say, under the component's name: the first layer's
// rank and alpha, and by module what differs from them.
void add_adapter_config(json& config, LoraComponent component, const LoraLayers& layers) {
  const std::string prefix = std::string(to_string(component)) + ".";
  json ranks = json::object();
  json alphas = json::object();
  json targets = json::array();
  const Adapter* first = nullptr;
  for (const auto& [name, layer] : layers) {
    if (name.component != component) continue;
    const Adapter& adapter = *layer->adapter;
    if (first == nullptr) first = &adapter;
    const std::string module = peft_module(name);
    targets.push_back(module);
    if (adapter.rank != first->rank) ranks[module] = adapter.rank;
    if (adapter.alpha != first->alpha) alphas[module] = adapter.alpha;
  }
  if (first == nullptr) return;
  config[prefix + "r"] = first->rank;
  config[prefix + "lora_alpha"] = first->alpha;
  config[prefix + "target_modules"] = targets;
  if (!ranks.empty()) config[prefix + "rank_pattern"] = ranks;
  if (!alphas.empty()) config[prefix + "alpha_pattern"] = alphas;
}

std::map<std::string, std::string> peft_metadata(const LoraLayers& layers) {
  json config = json::object();
  for (const LoraComponent component : kComponents) add_adapter_config(config, component, layers);
  return {{"lora_adapter_metadata", canonical_json(config)}};
}

// The value all layers share, or what kohya's tools write where they differ.
template <typename Value>
std::string shared(const LoraLayers& layers, Value value) {
  std::set<std::string> values;
  for (const auto& [name, layer] : layers) values.insert(fmt::format("{}", value(*layer->adapter)));
  return values.size() == 1 ? *values.begin() : "Dynamic";
}

// What kohya's tools were told for convolutions, as they note it.
std::map<std::string, std::string> convolution_metadata(const LoraLayers& layers) {
  LoraLayers convolutions;
  for (const auto& entry : layers) {
    if (entry.second->weight.dim() == 4) convolutions.push_back(entry);
  }
  if (convolutions.empty()) return {};
  const json arguments = {
      {"conv_dim", shared(convolutions, [](const Adapter& adapter) { return adapter.rank; })},
      {"conv_alpha", shared(convolutions, [](const Adapter& adapter) { return adapter.alpha; })}};
  return {{"ss_network_args", canonical_json(arguments)}};
}

std::map<std::string, std::string> kohya_metadata(const LoraLayers& layers) {
  std::map<std::string, std::string> metadata = {
      {"ss_network_module", "networks.lora"},
      {"ss_network_dim", shared(layers, [](const Adapter& adapter) { return adapter.rank; })},
      {"ss_network_alpha", shared(layers, [](const Adapter& adapter) { return adapter.alpha; })},
      {"ss_base_model_version", "sdxl_base_v1-0"},
      {"ss_v2", "False"},
      {"modelspec.sai_model_spec", "1.0.0"},
      {"modelspec.architecture", "stable-diffusion-xl-v1-base/lora"},
      {"modelspec.implementation", "https://github.com/Stability-AI/generative-models"}};
  metadata.merge(convolution_metadata(layers));
  return metadata;
}

NamedTensors tensors_of(const LoraLayers& layers, LoraFormat format, DType dtype) {
  NamedTensors tensors;
  const bool peft = format == LoraFormat::peft;
  for (const auto& [name, layer] : layers) {
    const Adapter& adapter = *layer->adapter;
    const std::string prefix = peft ? peft_prefix(name) : kohya_prefix(name);
    const at::ScalarType type = scalar_type(dtype);
    tensors.emplace_back(prefix + (peft ? ".lora_A.weight" : ".lora_down.weight"),
                         adapter.down.detach().to(type));
    tensors.emplace_back(prefix + (peft ? ".lora_B.weight" : ".lora_up.weight"),
                         adapter.up.detach().to(type));
    if (!peft) {
      tensors.emplace_back(prefix + ".alpha", at::scalar_tensor(adapter.alpha, at::kFloat));
    }
  }
  return tensors;
}

void append_layers(LoraLayers& all, LoraComponent component, Component& part) {
  for (Layer* layer : part.layers()) all.emplace_back(LoraLayerName{component, layer->name}, layer);
}

}  // namespace

LoraLayers lora_layers(Pipeline& pipeline) {
  LoraLayers all;
  append_layers(all, LoraComponent::unet, pipeline.unet);
  append_layers(all, LoraComponent::text_encoder, pipeline.text_encoder);
  append_layers(all, LoraComponent::text_encoder_2, pipeline.text_encoder_2);
  return all;
}

LoraLayers lora_layers(PipelineSkeleton& skeleton) {
  LoraLayers all;
  append_layers(all, LoraComponent::unet, skeleton.unet);
  append_layers(all, LoraComponent::text_encoder, skeleton.text_encoder);
  append_layers(all, LoraComponent::text_encoder_2, skeleton.text_encoder_2);
  return all;
}

void save_lora(const std::filesystem::path& file, const LoraLayers& layers, LoraFormat format,
               DType dtype, const std::map<std::string, std::string>& metadata) {
  const LoraLayers adapted = with_adapters(layers);
  std::map<std::string, std::string> all = metadata;
  all.merge(format == LoraFormat::peft ? peft_metadata(adapted) : kohya_metadata(adapted));
  save_tensors(file, tensors_of(adapted, format, dtype), all);
}

void save_lora(const std::filesystem::path& file, Pipeline& pipeline, LoraFormat format,
               DType dtype, const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::string> all = metadata;
  if (format == LoraFormat::kohya) {
    const bool velocity = pipeline.scheduler.predicts_velocity();
    all.emplace("modelspec.prediction_type", velocity ? "v" : "epsilon");
  }
  save_lora(file, lora_layers(pipeline), format, dtype, all);
}

}  // namespace sarsweep::trainer
