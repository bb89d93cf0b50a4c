#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "trainer/torch/clip/clip_files.h"
#include "trainer/torch/clip/clip_weight_change.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/files/change_table.h"
#include "trainer/torch/files/weight_change.h"

namespace sarsweep::trainer {
namespace {

struct MawcOptions {
  std::string base, tuned, output = "table";
};

nlohmann::json changes_of(const MawcOptions& options) {
  const std::filesystem::path base = checkpoint_of_run(options.base);
  const std::filesystem::path tuned = checkpoint_of_run(options.tuned);
  if (find_clip(base) && find_clip(tuned)) return clip_weight_changes(base, tuned);
  return weight_changes(options.base, options.tuned);
}

void run_mawc(const MawcOptions& options) {
  const nlohmann::json document = changes_of(options);
  for (const nlohmann::json& warning : document.at("warnings")) {
    std::cerr << "warning: " << warning.get<std::string>() << '\n';
  }
  fmt::print("{}", options.output == "json" ? document.dump(1) + "\n" : change_text(document));
}

}  // namespace

void add_mawc(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<MawcOptions>();
  CLI::App* command = app.add_subcommand(
      "mawc", "Mean absolute weight change: how far training moved each block of a model.");
  command
      ->add_option(
          "--base", options->base,
          "the model before: a pipeline folder, a single file, a checkpoint of a run, or a "
          "CLIP model")
      ->required();
  command
      ->add_option("--tuned", options->tuned,
                   "the model after: any of these, a run's folder, or a LoRA file for the base")
      ->required();
  command->add_option("-o,--output", options->output, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  command->callback([options, &exit_code] {
    run_mawc(*options);
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
