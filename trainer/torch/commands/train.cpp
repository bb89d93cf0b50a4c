#include <memory>

#include <CLI/CLI.hpp>

#include "trainer/dist/communicator.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/jobs/run.h"

namespace sarsweep::trainer {

void add_train(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand(
      "train",
      "Runs the job of RUN_DIR/run.json, or goes on with it. Under `mpirun -n N` "
      "the images of each update are shared between N processes.");
  const auto run_dir = std::make_shared<std::string>();
  command->add_option("run_dir", *run_dir, "The run directory")
      ->required()
      ->check(CLI::ExistingDirectory);
  const auto record = std::make_shared<RecordOrder>();
  command->add_option("--record", record->file,
                      "Also writes the inputs of the first updates here, randomness included, for "
                      "`replay` and other implementations");
  command->add_option("--record-updates", record->updates, "How many")->check(CLI::PositiveNumber);
  command->callback([run_dir, record, &exit_code] {
    StopSignals signals;  // before MPI's threads
    const std::unique_ptr<Communicator> ranks = join_ranks();
    exit_code = train_run(*run_dir, signals, *ranks, *record);
  });
}

}  // namespace sarsweep::trainer
