#include "trainer/torch/training/replay.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/files/safetensors.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

struct ReplayOptions {
  std::string config, inputs, init, out;
};

void replay(const ReplayOptions& options) {
  const nlohmann::json run = parse_json(read_file(options.config), options.config);
  const RunConfig config = parse_run_config(run.value("config", nlohmann::json::object()));
  if (config.model_path.empty()) {
    throw Error(ErrorCode::invalid,
                fmt::format("{} names no model: set config.model.path", options.config),
                "model.path");
  }
  Pipeline pipeline = load_pipeline(config.model_path);
  const TrainBatch inputs = parse_replay_inputs(load_tensors(options.inputs));
  const auto recorded = parse_replay_metadata(SafetensorsFile(options.inputs).metadata());
  const NamedTensors init = options.init.empty() ? NamedTensors() : load_tensors(options.init);
  const ReplayResult result =
      replay_run(pipeline, config, run.value("seed", std::uint64_t{0}), inputs, init, recorded);

  const fs::path out = options.out;
  fs::create_directories(out);
  save_tensors(out / "final.safetensors", result.weights, DType::f32);
  save_tensors(out / "grads.safetensors", result.first_gradients, DType::f32);
  write_file_atomically(out / "losses.json", result.losses.dump(1) + "\n");
}

}  // namespace

void add_replay(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ReplayOptions>();
  CLI::App* command =
      app.add_subcommand("replay", "Runs the training step on supplied tensors, to compare it");
  command->add_option("--config", options->config, "run.json")->required();
  command
      ->add_option("--inputs", options->inputs,
                   "One row per image, in order; `train --record` writes such a file")
      ->required();
  command->add_option("--init", options->init, "Where adapters start");
  command
      ->add_option("--out", options->out,
                   "For losses.json, final.safetensors and grads.safetensors")
      ->required();
  command->callback([options, &exit_code] {
    replay(*options);
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
