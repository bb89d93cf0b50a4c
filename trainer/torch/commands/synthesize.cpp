#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include "trainer/core/synthetic/synthetic_set.h"
#include "trainer/torch/commands/commands.h"

namespace sarsweep::trainer {

void add_synthesize(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<synthetic::SetOptions>();
  CLI::App* command = app.add_subcommand(
      "synthesize", "Write the miniature physical SAR set (11 labels) as an image folder.");
  command->add_option("--out", options->folder, "folder to write: train/, val/ and test/")
      ->required();
  command->add_option("--per-label", options->per_label, "pictures of each label")
      ->capture_default_str();
  command->add_option("--size", options->size, "pixels a side")->capture_default_str();
  command->add_option("--seed", options->seed, "equal seeds, equal bytes")->capture_default_str();
  command->callback([options, &exit_code] {
    synthetic::write_synthetic_set(*options, [](int done, int total) {
      if (done % 100 == 0 || done == total)
        std::cout << "synthesize " << done << "/" << total << '\n';
    });
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
