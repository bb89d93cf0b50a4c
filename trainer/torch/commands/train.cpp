#include <memory>

#include <CLI/CLI.hpp>

#include "trainer/torch/commands/commands.h"
#include "trainer/torch/jobs/run.h"

namespace sarsweep::trainer {

void add_train(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("train", "Runs the job of RUN_DIR/run.json, or goes on with it.");
  const auto run_dir = std::make_shared<std::string>();
  command->add_option("run_dir", *run_dir, "The run directory")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->callback([run_dir, &exit_code] {
    StopSignals signals;
    exit_code = train_run(*run_dir, signals);
  });
}

}  // namespace sarsweep::trainer
