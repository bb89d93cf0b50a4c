#include <fmt/format.h>

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "trainer/torch/clip/clip_files.h"
#include "trainer/torch/clip/clip_inspection.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/files/inspection.h"

namespace sarsweep::trainer {
namespace {

struct InspectOptions {
  std::string path;
  bool json = false;
};

}  // namespace

void add_inspect(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand("inspect", "Says what a model file or folder is.");
  command
      ->add_option("path", options->path,
                   "a safetensors file, a pipeline or CLIP folder, a checkpoint")
      ->required();
  command->add_flag("--json", options->json, "as one JSON document");
  command->callback([options, &exit_code] {
    const auto clip = find_clip(options->path);
    const bool whole_clip = clip && clip->format != ClipFormat::checkpoint;
    const nlohmann::json inspection =
        whole_clip ? inspect_clip(options->path) : inspect(options->path);
    fmt::print("{}", options->json ? inspection.dump(2) + "\n" : inspection_text(inspection));
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
