#include "trainer/torch/files/model_source.h"

#include <algorithm>
#include <array>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/protocol/run_dir.h"
#include "trainer/torch/files/checkpoint.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/single_file.h"
#include "trainer/torch/files/vocabulary.h"
#include "trainer/torch/model/learned_tokens.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kDown = ".lora_A.weight";
constexpr std::string_view kUp = ".lora_B.weight";

std::string folder_digest(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Sha256 digest;
  for (const fs::path& file : files) {
    digest.update(fs::relative(file, folder).generic_string() + "\n" + sha256_file(file) + "\n");
  }
  return digest.hex();
}

Component* component_named(Pipeline& pipeline, std::string_view name) {
  if (name == "unet") return &pipeline.unet;
  if (name == "text_encoder") return &pipeline.text_encoder;
  if (name == "text_encoder_2") return &pipeline.text_encoder_2;
  if (name == "vae") return &pipeline.vae;
  return nullptr;
}

void set_factor(const TrainedName& name, std::string_view suffix, const at::Tensor& value,
                const AdapterTable& adapters) {
  const auto settings = adapters.find(name.component_name);
  if (settings == adapters.end()) {
    throw Error(ErrorCode::invalid, "the checkpoint holds adapters of " + name.component_name +
                                        " but model.json does not describe them");
  }
  Layer& layer = name.component->layer(name.rest.substr(0, name.rest.size() - suffix.size()));
  if (!layer.adapter) {
    layer.adapter.emplace();
    layer.adapter->rank = settings->second.rank;
    layer.adapter->alpha = settings->second.alpha;
  }
  at::Tensor& factor = suffix == kDown ? layer.adapter->down : layer.adapter->up;
  factor = value.clone();
}

// Gives the pipeline the learned tokens of a checkpoint. Returns the other weights.
NamedTensors take_tokens(Pipeline& pipeline, const CheckpointContents& contents) {
  NamedTensors others;
  at::Tensor clip_l, clip_g;
  for (const auto& [name, value] : contents.weights) {
    if (name == "clip_l") {
      clip_l = value;
    } else if (name == "clip_g") {
      clip_g = value;
    } else {
      others.emplace_back(name, value);
    }
  }
  if (clip_l.defined() && clip_g.defined()) {
    set_learned_tokens(pipeline, contents.model.at("tokens").get<std::vector<std::string>>(),
                       clip_l, clip_g);
  }
  const bool argmax = contents.model.value("pool", "first_eos") == "hf_argmax";
  for (ClipText* encoder : {&pipeline.text_encoder, &pipeline.text_encoder_2}) {
    encoder->set_pooling(argmax ? Pooling::argmax : Pooling::first_eos);
  }
  return others;
}

ModelSource load_folder(const fs::path& path) {
  if (!fs::exists(path / "model_index.json")) {
    throw Error(ErrorCode::invalid,
                "model.path " + path.string() +
                    " is no pipeline folder (it has no model_index.json); a CLIP model is for job "
                    "clip and eval.clip",
                "model.path");
  }
  return {load_pipeline(path), {}, folder_digest(path)};
}

ModelSource load_file(const fs::path& path) {
  return {load_single_file(path, vocabulary_file({})), {}, sha256_file(path)};
}

ModelSource load_nested(const fs::path& path, int depth) {
  require_end(path, depth);
  if (fs::is_regular_file(path)) return load_file(path);
  if (!fs::is_directory(path)) {
    throw Error(ErrorCode::not_found,
                "model.path " + path.string() + " is neither a folder nor a file", "model.path");
  }
  // Whatever it is that bears the name: it is for verify_checkpoint to judge.
  if (!fs::exists(fs::symlink_status(path / run_dir::kManifest))) return load_folder(path);
  const SealedCheckpoint checkpoint = verify_checkpoint(path);
  const CheckpointContents contents = load_checkpoint(checkpoint);
  if (contents.model.contains("family")) {
    throw Error(ErrorCode::invalid,
                "model.path " + path.string() + " is a checkpoint of a " +
                    contents.model["family"].dump() + " run, not of a pipeline; job clip reads it",
                "model.path");
  }
  ModelSource source = load_nested(contents.model.at("base").get<std::string>(), depth + 1);
  const AdapterTable adapters =
      parse_adapter_table(contents.model.value("adapters", json::object()));
  for (const auto& [name, settings] : adapters) {
    const auto inherited = source.adapters.find(name);
    if (inherited == source.adapters.end() || inherited->second == settings) continue;
    merge_adapters(*component_named(source.pipeline, name));
  }
  // What the run itself did before its first update: adapters it could not continue were merged.
  for (const auto& [name, settings] : source.adapters) {
    if (!adapters.contains(name)) merge_adapters(*component_named(source.pipeline, name));
  }
  overlay_weights(source.pipeline, take_tokens(source.pipeline, contents), adapters);
  source.adapters = adapters;
  source.pipeline.vae.set_scaling_factor(contents.model.at("vae_scaling_factor").get<double>());
  SchedulerConfig& scheduler = source.pipeline.scheduler;
  scheduler.set_prediction_type(contents.model.value("prediction_type", scheduler.prediction_type));
  const bool zeros = zeros_for_empty_prompt(source.pipeline);
  const std::string uncond = contents.model.value("uncond", zeros ? "zeros" : "encode_empty");
  set_zeros_for_empty_prompt(source.pipeline, uncond == "zeros");
  source.digest =
      sha256(source.digest + checkpoint.manifest["files"]["weights.safetensors"].dump() +
             to_json(adapters).dump());
  return source;
}

}  // namespace

json to_json(const AdapterTable& adapters) {
  json table = json::object();
  for (const auto& [name, settings] : adapters) {
    table[name] = {
        {"rank", settings.rank}, {"alpha", settings.alpha}, {"targets", settings.targets}};
  }
  return table;
}

AdapterTable parse_adapter_table(const json& document) {
  AdapterTable table;
  for (const auto& [name, entry] : document.items()) {
    table[name] = {entry.at("rank").get<std::int64_t>(), entry.at("alpha").get<double>(),
                   entry.at("targets").get<std::string>()};
  }
  return table;
}

ModelSource load_model(const fs::path& path) {
  try {
    return load_nested(path, 0);
  } catch (const json::exception& error) {
    throw Error(ErrorCode::invalid,
                "model.json of checkpoint " + path.string() + " is malformed: " + error.what(),
                "model.path");
  }
}

TrainedName resolve_trained_name(Pipeline& pipeline, const std::string& name) {
  const std::size_t dot = name.find('.');
  const std::string component = name.substr(0, dot);
  Component* found = dot == std::string::npos ? nullptr : component_named(pipeline, component);
  if (found == nullptr) {
    throw Error(ErrorCode::invalid, "no component of the pipeline owns the tensor '" + name + "'");
  }
  return {found, component, name.substr(dot + 1)};
}

void overlay_weights(Pipeline& pipeline, const NamedTensors& weights,
                     const AdapterTable& adapters) {
  for (const auto& [name, value] : weights) {
    const TrainedName target = resolve_trained_name(pipeline, name);
    if (target.rest.ends_with(kDown)) {
      set_factor(target, kDown, value, adapters);
    } else if (target.rest.ends_with(kUp)) {
      set_factor(target, kUp, value, adapters);
    } else {
      target.component->set(target.rest, value);
    }
  }
}

std::string parameters_digest(const Component& component,
                              const std::vector<std::string>& prefixes) {
  Sha256 digest;
  for (const auto& [name, tensor] : component.parameters()) {
    const bool wanted =
        std::any_of(prefixes.begin(), prefixes.end(),
                    [&](const std::string& prefix) { return name.starts_with(prefix); });
    if (!wanted) continue;
    const at::Tensor bytes = tensor.detach().to(at::kCPU).contiguous();
    digest.update(name + "\n");
    digest.update({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
  }
  return digest.hex();
}

}  // namespace sarsweep::trainer
