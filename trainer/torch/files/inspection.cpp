#include "trainer/torch/files/inspection.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "schema/protocol/run_dir.h"
#include "trainer/core/files/lora_names.h"
#include "trainer/core/run/checkpoint_dir.h"
#include "trainer/torch/files/lora_file.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kConfigKey = "lora_adapter_metadata";

// Sums over safetensors files.
struct Census {
  std::size_t tensors = 0, bytes = 0;
  std::int64_t parameters = 0;
  std::map<std::string, std::size_t> dtypes;

  void add(const SafetensorsFile& file) {
    for (const TensorEntry& entry : file.entries()) {
      ++tensors;
      bytes += entry.end - entry.begin;
      parameters += static_cast<std::int64_t>((entry.end - entry.begin) / size_of(entry.dtype));
      ++dtypes[std::string(to_string(entry.dtype))];
    }
  }
  void add_to(json& document) const {
    document.update(
        {{"tensors", tensors}, {"parameters", parameters}, {"bytes", bytes}, {"dtypes", dtypes}});
  }
};

json metadata_of(const SafetensorsFile& file) {
  json document = json::object();
  for (const auto& [key, text] : file.metadata()) {
    json parsed = json::parse(text, nullptr, false);
    document[key] = parsed.is_structured() ? std::move(parsed) : json(text);
  }
  return document;
}

LoraComponent component_of(std::string_view prefix) {
  for (const LoraComponent component :
       {LoraComponent::text_encoder, LoraComponent::text_encoder_2}) {
    const LoraLayerName name{component, "x"};
    const std::string kohya = kohya_prefix(name);
    if (prefix.starts_with(std::string(to_string(component)) + ".") ||
        prefix.starts_with(kohya.substr(0, kohya.size() - 1))) {
      return component;
    }
  }
  return LoraComponent::unet;
}

// "a.attn1.to_out.0" -> "to_out.0": the last word, with the number that may follow it.
std::string module_kind(const std::string& module) {
  std::size_t dot = module.rfind('.');
  if (dot != std::string::npos && dot + 2 == module.size() && dot > 0) {
    dot = module.rfind('.', dot - 1);
  }
  return dot == std::string::npos ? module : module.substr(dot + 1);
}

// Spellings of every layer SDXL has; the smaller presets have some of the same.
std::unordered_map<std::string, std::string> module_by_prefix() {
  PipelineSkeleton skeleton(preset_configs("sdxl"));
  std::unordered_map<std::string, std::string> modules;
  for (const auto& [name, layer] : lora_layers(skeleton)) {
    for (const std::string& prefix : accepted_prefixes(name)) modules.emplace(prefix, name.module);
  }
  return modules;
}

struct AdapterFacts {
  std::set<std::string> layers, kinds;
  std::set<std::int64_t> ranks;
  std::set<double> alphas;
};

json adapters_of(const SafetensorsFile& file) {
  const auto modules = module_by_prefix();
  std::map<std::string, AdapterFacts> facts;
  for (const TensorEntry& entry : file.entries()) {
    const std::optional<LoraKey> key = split_lora_key(entry.name);
    if (!key) continue;
    AdapterFacts& fact = facts[std::string(to_string(component_of(key->prefix)))];
    const auto module = modules.find(key->prefix);
    fact.layers.insert(key->prefix);
    fact.kinds.insert(module_kind(module == modules.end() ? key->prefix : module->second));
    if (key->role == LoraRole::down && !entry.shape.empty()) fact.ranks.insert(entry.shape[0]);
    if (key->role == LoraRole::alpha && entry.begin < entry.end) {
      fact.alphas.insert(read_tensor(file, entry).to(at::kDouble).flatten()[0].item<double>());
    }
  }
  const auto text = file.metadata().find(std::string(kConfigKey));
  const json config = text == file.metadata().end()
                          ? json::object()
                          : parse_json(text->second, std::string(kConfigKey));
  json document = json::object();
  for (auto& [component, fact] : facts) {
    const json alpha = config.value(component + ".lora_alpha", json());
    if (alpha.is_number()) fact.alphas.insert(alpha.get<double>());
    document[component] = {{"layers", fact.layers.size()},
                           {"ranks", fact.ranks},
                           {"alphas", fact.alphas},
                           {"targets", fact.kinds}};
  }
  return document;
}

void describe_folder(const fs::path& folder, json& document) {
  const json configs = read_configs(folder);
  document["class"] = configs.at("model_index").value("_class_name", "");
  document["prediction_type"] = configs.at("scheduler").value("prediction_type", "epsilon");
  Census all;
  for (const char* part : {"unet", "vae", "text_encoder", "text_encoder_2"}) {
    Census own;
    for (const auto& entry : fs::directory_iterator(folder / part)) {
      if (entry.path().extension() == ".safetensors") {
        const SafetensorsFile file(entry.path());
        own.add(file);
        all.add(file);
      }
    }
    own.add_to(document["parts"][part]);
  }
  all.add_to(document);
}

void describe_checkpoint(const fs::path& folder, json& document) {
  const SealedCheckpoint checkpoint = verify_checkpoint(folder);
  const json model = parse_json(read_file(folder / "model.json"), (folder / "model.json").string());
  document["step"] = checkpoint.step;
  document["base"] = model.value("base", "");
  document["adapters"] = model.value("adapters", json::object());
  Census census;
  census.add(SafetensorsFile(folder / "weights.safetensors"));
  census.add_to(document);
}

void append_facts(const json& document, const std::string& indent, std::string& text) {
  for (const auto& [key, value] : document.items()) {
    if (value.is_object() && !value.empty()) {
      text += fmt::format("{}{}:\n", indent, key);
      append_facts(value, indent + "  ", text);
    } else {
      text += fmt::format("{}{}: {}\n", indent, key,
                          value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
}

}  // namespace

std::string_view to_string(ModelFileKind kind) {
  switch (kind) {
    case ModelFileKind::pipeline_folder: return "pipeline folder";
    case ModelFileKind::checkpoint: return "checkpoint";
    case ModelFileKind::single_file: return "single file";
    case ModelFileKind::kohya_lora: return "kohya LoRA";
    case ModelFileKind::peft_lora: return "PEFT LoRA";
    case ModelFileKind::embeddings: return "embeddings";
    case ModelFileKind::tensors: return "tensors";
  }
  return {};
}

ModelFileKind model_file_kind(const SafetensorsFile& file) {
  for (const TensorEntry& entry : file.entries()) {
    if (entry.name.starts_with("model.diffusion_model.")) return ModelFileKind::single_file;
    if (entry.name == "clip_l" || entry.name == "clip_g") return ModelFileKind::embeddings;
    const std::optional<LoraKey> key = split_lora_key(entry.name);
    if (!key || key->role == LoraRole::alpha) continue;
    return key->prefix.starts_with("lora_") ? ModelFileKind::kohya_lora : ModelFileKind::peft_lora;
  }
  return ModelFileKind::tensors;
}

ModelFileKind model_file_kind(const fs::path& path) {
  if (!fs::exists(path)) {
    throw Error(ErrorCode::not_found, fmt::format("there is no {}", path.string()));
  }
  if (!fs::is_directory(path)) return model_file_kind(SafetensorsFile(path));
  if (fs::exists(path / run_dir::kManifest)) return ModelFileKind::checkpoint;
  if (fs::exists(path / "model_index.json")) return ModelFileKind::pipeline_folder;
  throw Error(ErrorCode::invalid,
              fmt::format("the folder {} is neither a pipeline (model_index.json) nor a checkpoint "
                          "({})",
                          path.string(), run_dir::kManifest));
}

json inspect(const fs::path& path) {
  const ModelFileKind kind = model_file_kind(path);
  json document = {{"path", path.string()}, {"kind", to_string(kind)}};
  if (kind == ModelFileKind::pipeline_folder) {
    describe_folder(path, document);
    return document;
  }
  if (kind == ModelFileKind::checkpoint) {
    describe_checkpoint(path, document);
    return document;
  }
  const SafetensorsFile file(path);
  Census census;
  census.add(file);
  census.add_to(document);
  document["metadata"] = metadata_of(file);
  if (kind == ModelFileKind::kohya_lora || kind == ModelFileKind::peft_lora) {
    document["adapters"] = adapters_of(file);
  }
  return document;
}

std::string inspection_text(const json& inspection) {
  std::string text = fmt::format("{}: {}\n", inspection.at("path").get<std::string>(),
                                 inspection.at("kind").get<std::string>());
  json rest = inspection;
  rest.erase("path");
  rest.erase("kind");
  append_facts(rest, "  ", text);
  return text;
}

}  // namespace sarsweep::trainer
