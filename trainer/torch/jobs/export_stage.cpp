#include "trainer/torch/jobs/export_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "schema/config/fields.h"
#include "schema/protocol/run_dir.h"
#include "trainer/torch/files/embeddings_file.h"
#include "trainer/torch/files/lora_file.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/single_file.h"
#include "trainer/torch/model/learned_tokens.h"

namespace sarsweep::trainer {
namespace {

using Metadata = std::map<std::string, std::string>;

bool has_adapters(Pipeline& pipeline) {
  const LoraLayers layers = lora_layers(pipeline);
  return std::any_of(layers.begin(), layers.end(),
                     [](const auto& layer) { return layer.second->adapter.has_value(); });
}

std::string as_text(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// What a file says about the run it comes from, by the keys that kohya's tools read. Without a
// date: equal runs, equal bytes.
Metadata run_metadata(const RunFile& file) {
  const nlohmann::json fields = config::with_defaults(config::flatten(file.config));
  const std::string side = as_text(fields.at("data.resolution"));
  return {{"modelspec.title", file.name},
          {"modelspec.resolution", fmt::format("{}x{}", side, side)},
          {"ss_output_name", file.name},
          {"ss_seed", std::to_string(file.seed)},
          {"ss_resolution", fmt::format("({}, {})", side, side)},
          {"ss_learning_rate", as_text(fields.at("unet.lr"))},
          {"ss_unet_lr", as_text(fields.at("unet.lr"))},
          {"ss_text_encoder_lr", as_text(fields.at("text_encoder_1.lr"))},
          {"ss_noise_offset", as_text(fields.at("train.noise_offset"))},
          {"ss_lr_scheduler", as_text(fields.at("train.schedule"))}};
}

void export_adapters(const RunContext& run, Pipeline& pipeline,
                     const std::filesystem::path& folder) {
  const ExportConfig& exports = run.stages().exports;
  const DType dtype = export_dtypes().at(exports.dtype);
  if (exports.lora != "kohya") {
    save_lora(folder / "pytorch_lora_weights.safetensors", pipeline, LoraFormat::peft, dtype);
  }
  if (exports.lora != "peft") {
    save_lora(folder / "lora_kohya.safetensors", pipeline, LoraFormat::kohya, dtype,
              run_metadata(run.file()));
  }
}

// Merges the adapters first: the whole model stands on its own. A single file has no tokenizer that
// could know a learned token: its rows stay in the embeddings file.
void export_whole(RunContext& run, Pipeline& pipeline, const std::filesystem::path& folder) {
  const ExportConfig& exports = run.stages().exports;
  const std::array<Component*, 3> components = {&pipeline.unet, &pipeline.text_encoder,
                                                &pipeline.text_encoder_2};
  for (Component* component : components) merge_adapters(*component);
  const DType dtype = export_dtypes().at(exports.dtype);
  if (exports.pipeline == "folder") {
    merge_learned_tokens(pipeline);
    return save_pipeline(pipeline, folder / "pipeline", dtype);
  }
  if (!zeros_for_empty_prompt(pipeline)) {
    run.warn(
        "a single file cannot say that the run encoded dropped captions: with diffusers, load "
        "model.safetensors with force_zeros_for_empty_prompt=False");
  }
  const std::string title = run.file().name;
  save_single_file(pipeline, folder / "model.safetensors", dtype, {{"modelspec.title", title}});
}

}  // namespace

void export_model(RunContext& run, Pipeline& pipeline) {
  const std::filesystem::path folder = run.dir() / run_dir::kExport;
  const bool adapters = has_adapters(pipeline), whole = run.stages().exports.pipeline != "none";
  const NamedTensors tokens = learned_rows(pipeline);
  if (!adapters && !whole && tokens.empty()) return;
  run.stage("export", 0, 1);
  std::filesystem::create_directories(folder);
  if (adapters) export_adapters(run, pipeline, folder);
  if (!tokens.empty()) {
    save_embeddings(folder / "embeddings.safetensors", {tokens.at(0).second, tokens.at(1).second},
                    DType::f32, {{"tokens", nlohmann::json(pipeline.learned_tokens).dump()}});
  }
  if (whole) export_whole(run, pipeline, folder);
  run.stage("export", 1, 1);
}

}  // namespace sarsweep::trainer
