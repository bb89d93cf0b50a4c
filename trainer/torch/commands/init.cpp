#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>

#include "schema/base/error.h"
#include "trainer/torch/clip/clip_files.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/vocabulary.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

struct InitOptions {
  std::string preset, config, vocabulary, out;
  std::uint64_t seed = 0;
  bool force = false;
};

void clear_target(const fs::path& folder, bool force) {
  std::error_code ignored;
  if (!fs::exists(folder) || fs::is_empty(folder, ignored)) return;
  if (!force) {
    throw Error(ErrorCode::invalid,
                fmt::format("{} is not empty; pass --force to replace it", folder.string()));
  }
  // A mistyped --out must not cost a home folder.
  if (!fs::exists(folder / "model_index.json") && !find_clip(folder)) {
    throw Error(ErrorCode::invalid,
                fmt::format("{} holds no model, neither model_index.json nor CLIP, so --force does "
                            "not remove it; empty it yourself",
                            folder.string()));
  }
  fs::remove_all(folder);
}

void init_clip_folder(const InitOptions& options) {
  const ClipConfig config = clip_preset(options.preset);
  const ClipModel model = init_clip(config, options.seed, vocabulary_file(options.vocabulary));
  clear_target(options.out, options.force);
  save_clip(model, options.out, DType::f32);
}

void init(const InitOptions& options) {
  if (options.preset.starts_with("clip-")) return init_clip_folder(options);
  const nlohmann::json configs =
      options.config.empty() ? preset_configs(options.preset) : read_configs(options.config);
  const fs::path vocabulary = vocabulary_file(options.vocabulary);
  const Pipeline pipeline = init_pipeline(configs, options.seed, vocabulary);
  clear_target(options.out, options.force);
  save_pipeline(pipeline, options.out, DType::f32);
}

}  // namespace

void add_init(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<InitOptions>();
  CLI::App* command =
      app.add_subcommand("init", "Writes a pipeline or CLIP folder with random weights");
  auto* source = command->add_option_group("source");
  source->add_option("--preset", options->preset,
                     "tiny, small or sdxl; a CLIP model: clip-tiny or clip-small");
  source->add_option("--config", options->config, "A pipeline folder whose config files to follow");
  source->require_option(1);
  command->add_option("--out", options->out, "The folder to write")->required();
  command->add_option("--seed", options->seed, "Equal seeds give equal bytes")->required();
  command->add_option("--vocab", options->vocabulary,
                      fmt::format("open_clip's {}", kVocabularyName));
  command->add_flag("--force", options->force, "Replace a model folder that exists");
  command->callback([options, &exit_code] {
    init(*options);
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
