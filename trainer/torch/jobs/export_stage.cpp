#include "trainer/torch/jobs/export_stage.h"

#include <algorithm>
#include <array>

#include "schema/protocol/run_dir.h"
#include "trainer/torch/files/lora_file.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/tensor_file.h"
#include "trainer/torch/model/learned_tokens.h"

namespace sarsweep::trainer {
namespace {

DType dtype_named(const std::string& name) {
  if (name == "fp16") return DType::f16;
  return name == "bf16" ? DType::bf16 : DType::f32;
}

bool has_adapters(Pipeline& pipeline) {
  const LoraLayers layers = lora_layers(pipeline);
  return std::any_of(layers.begin(), layers.end(),
                     [](const auto& layer) { return layer.second->adapter.has_value(); });
}

void export_adapters(const ExportConfig& exports, Pipeline& pipeline,
                     const std::filesystem::path& folder) {
  const DType dtype = dtype_named(exports.dtype);
  if (exports.lora != "kohya") {
    save_lora(folder / "pytorch_lora_weights.safetensors", pipeline, LoraFormat::peft, dtype);
  }
  if (exports.lora != "peft") {
    save_lora(folder / "lora_kohya.safetensors", pipeline, LoraFormat::kohya, dtype);
  }
}

}  // namespace

void export_model(RunContext& run, Pipeline& pipeline) {
  const ExportConfig& exports = run.stages().exports;
  const std::filesystem::path folder = run.dir() / run_dir::kExport;
  const bool adapters = has_adapters(pipeline), whole = exports.pipeline == "folder";
  const NamedTensors tokens = learned_rows(pipeline);
  if (!adapters && !whole && tokens.empty()) return;
  run.stage("export", 0, 1);
  std::filesystem::create_directories(folder);
  if (adapters) export_adapters(exports, pipeline, folder);
  if (!tokens.empty()) {
    save_tensors(folder / "embeddings.safetensors", tokens, DType::f32,
                 {{"tokens", nlohmann::json(pipeline.learned_tokens).dump()}});
  }
  if (whole) {
    const std::array<Component*, 3> components = {&pipeline.unet, &pipeline.text_encoder,
                                                  &pipeline.text_encoder_2};
    for (Component* component : components) merge_adapters(*component);
    merge_learned_tokens(pipeline);
    save_pipeline(pipeline, folder / "pipeline", dtype_named(exports.dtype));
  }
  run.stage("export", 1, 1);
}

}  // namespace sarsweep::trainer
