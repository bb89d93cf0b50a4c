#include "trainer/torch/jobs/export_stage.h"

#include <algorithm>
#include <array>

#include "schema/protocol/run_dir.h"

namespace sarsweep::trainer {
namespace {

DType dtype_named(const std::string& name) {
  if (name == "fp16") return DType::f16;
  return name == "bf16" ? DType::bf16 : DType::f32;
}

}  // namespace

void export_model(RunContext& run, Pipeline& pipeline) {
  const ExportConfig& exports = run.stages().exports;
  const std::filesystem::path folder = run.dir() / run_dir::kExport;
  const DType dtype = dtype_named(exports.dtype);
  if (exports.pipeline != "folder") return;
  run.stage("export", 0, 1);
  const std::array<Component*, 3> components = {&pipeline.unet, &pipeline.text_encoder,
                                                &pipeline.text_encoder_2};
  for (Component* component : components) merge_adapters(*component);
  std::filesystem::create_directories(folder);
  save_pipeline(pipeline, folder / "pipeline", dtype);
  run.stage("export", 1, 1);
}

}  // namespace sarsweep::trainer
