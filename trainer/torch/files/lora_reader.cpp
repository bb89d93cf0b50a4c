#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <optional>
#include <unordered_map>
#include <utility>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/torch/files/lora_file.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

struct FoundFactors {
  LoraLayerName name;
  Layer* layer = nullptr;
  at::Tensor down, up;
  std::optional<double> alpha;
};

class LoraReader {
 public:
  LoraReader(const std::filesystem::path& path, const LoraLayers& layers)
      : path_(path), file_(path) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      for (std::string& prefix : accepted_prefixes(layers[i].first)) {
        layer_by_prefix_.emplace(std::move(prefix), i);
      }
    }
    found_.resize(layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      found_[i].name = layers[i].first;
      found_[i].layer = layers[i].second;
    }
    read_config();
  }

  // One adapter per layer that the file names, checked against the layer's weight.
  std::vector<std::pair<Layer*, Adapter>> adapters() {
    for (const TensorEntry& entry : file_.entries()) take(entry);
    std::vector<std::pair<Layer*, Adapter>> result;
    for (const FoundFactors& factors : found_) {
      const bool any = factors.down.defined() || factors.up.defined() || factors.alpha;
      if (any) result.emplace_back(factors.layer, adapter_of(factors));
    }
    if (result.empty()) refuse("it holds no adapter");
    return result;
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw Error(ErrorCode::invalid,
                fmt::format("{} is not a usable LoRA file: {}", path_.string(), reason));
  }

  // diffusers puts PEFT's configuration into the file, PEFT itself beside it.
  void read_config() {
    const auto text = file_.metadata().find("lora_adapter_metadata");
    const std::filesystem::path beside = path_.parent_path() / "adapter_config.json";
    if (text != file_.metadata().end()) {
      config_ = parse_json(text->second, path_.string() + ": lora_adapter_metadata");
    } else if (of_one_model() && std::filesystem::exists(beside)) {
      config_ = parse_json(read_file(beside), beside.string());
    }
    if (!config_.is_object()) refuse("its configuration is no JSON object");
    for (const LoraComponent component :
         {LoraComponent::unet, LoraComponent::text_encoder, LoraComponent::text_encoder_2}) {
      if (setting(component, "use_dora") == json(true)) {
        refuse("it holds DoRA adapters, which are not supported");
      }
    }
  }

  bool of_one_model() const {
    return !file_.entries().empty() && file_.entries().front().name.starts_with("base_model.");
  }

  // A value of PEFT's configuration; null where it says nothing. One of a single model, the UNet,
  // names no component.
  json setting(LoraComponent component, const char* key) const {
    const json none;
    const std::string full = std::string(to_string(component)) + "." + key;
    if (component != LoraComponent::unet) return config_.value(full, none);
    return config_.value(full, config_.value(key, none));
  }

  void take(const TensorEntry& entry) {
    const std::optional<LoraKey> key = split_lora_key(entry.name);
    if (!key) {
      refuse(fmt::format(
          "\"{}\" belongs to no kind of adapter that is supported (LoRA as PEFT or kohya write it)",
          entry.name));
    }
    const auto found = layer_by_prefix_.find(key->prefix);
    if (found == layer_by_prefix_.end()) {
      refuse(fmt::format("\"{}\" names no layer of this model", entry.name));
    }
    put(found_[found->second], key->role, entry);
  }

  void put(FoundFactors& factors, LoraRole role, const TensorEntry& entry) {
    const at::Tensor tensor = read_tensor(file_, entry).to(at::kFloat);
    if (role == LoraRole::alpha) {
      if (tensor.numel() != 1) refuse(fmt::format("\"{}\" is not one number", entry.name));
      factors.alpha = tensor.item<float>();
      return;
    }
    at::Tensor& slot = role == LoraRole::down ? factors.down : factors.up;
    if (slot.defined())
      refuse(fmt::format("\"{}\" is the second of its kind for its layer", entry.name));
    slot = tensor;
  }

  Adapter adapter_of(const FoundFactors& factors) const {
    const std::string layer = peft_prefix(factors.name);
    if (!factors.down.defined() || !factors.up.defined()) {
      refuse(fmt::format("the layer {} has no {} factor", layer,
                         factors.down.defined() ? "up" : "down"));
    }
    const at::Tensor& weight = factors.layer->weight;
    const std::int64_t rank = factors.down.size(0);
    std::vector<std::int64_t> down_shape = weight.sizes().vec();
    down_shape[0] = rank;
    std::vector<std::int64_t> up_shape(weight.dim() == 2 ? 2 : 4, 1);
    up_shape[0] = weight.size(0);
    up_shape[1] = rank;
    const double alpha = factors.alpha ? *factors.alpha : alpha_of(factors.name, rank);
    if (rank < 1 || !std::isfinite(alpha)) {
      refuse(fmt::format("the layer {} has rank {} and alpha {}", layer, rank, alpha));
    }
    const at::Device device = weight.is_meta() ? at::Device(at::kCPU) : weight.device();
    return {shaped(factors.down, down_shape, layer).to(device),
            shaped(factors.up, up_shape, layer).to(device), rank, alpha};
  }

  // A 1x1 convolution's factors fit a linear layer and the other way round.
  at::Tensor shaped(const at::Tensor& factor, const std::vector<std::int64_t>& shape,
                    const std::string& layer) const {
    std::vector<std::int64_t> given = factor.sizes().vec();
    std::vector<std::int64_t> wanted = shape;
    while (given.size() > 2 && given.back() == 1) given.pop_back();
    while (wanted.size() > 2 && wanted.back() == 1) wanted.pop_back();
    if (given != wanted) {
      refuse(
          fmt::format("a factor of {} has shape [{}] where [{}] is needed: was it made for another "
                      "model?",
                      layer, fmt::join(factor.sizes().vec(), ", "), fmt::join(shape, ", ")));
    }
    return factor.reshape(shape);
  }

  // PEFT's rule: alpha_pattern by module, else lora_alpha; rsLoRA divides by sqrt(rank) instead of
  // rank.
  double alpha_of(const LoraLayerName& name, std::int64_t rank) const {
    const json value = setting(name.component, "lora_alpha");
    double alpha = value.is_number() ? value.get<double>() : static_cast<double>(rank);
    const json patterns = setting(name.component, "alpha_pattern");
    const std::string module = peft_module(name);
    for (const auto& [pattern, pattern_alpha] : patterns.items()) {
      const bool matches = module == pattern || module.ends_with("." + pattern);
      if (matches && pattern_alpha.is_number()) alpha = pattern_alpha.get<double>();
    }
    const bool stabilized = setting(name.component, "use_rslora") == json(true);
    return stabilized ? alpha * std::sqrt(static_cast<double>(rank)) : alpha;
  }

  const std::filesystem::path& path_;
  const SafetensorsFile file_;
  json config_ = json::object();
  std::unordered_map<std::string, std::size_t> layer_by_prefix_;
  std::vector<FoundFactors> found_;
};

}  // namespace

std::size_t load_lora(const std::filesystem::path& file, const LoraLayers& layers) {
  std::vector<std::pair<Layer*, Adapter>> adapters = LoraReader(file, layers).adapters();
  for (const auto& [layer, adapter] : adapters) {
    if (layer->adapter) {
      throw Error(ErrorCode::conflict,
                  fmt::format("{}: the layer {} has an adapter already; merge that one first",
                              file.string(), layer->name));
    }
  }
  for (auto& [layer, adapter] : adapters) layer->adapter = std::move(adapter);
  return adapters.size();
}

std::size_t load_lora(const std::filesystem::path& file, Pipeline& pipeline) {
  return load_lora(file, lora_layers(pipeline));
}

}  // namespace sarsweep::trainer
