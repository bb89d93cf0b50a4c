#include <iostream>

#include <CLI/CLI.hpp>

#include "schema/base/error.h"
#include "schema/base/log.h"
#include "schema/protocol/run_dir.h"
#include "trainer/torch/commands/commands.h"

namespace {

constexpr int kUsageError = 2;

int exit_code_of(const sarsweep::Error& error) {
  using sarsweep::ErrorCode;
  using sarsweep::run_dir::ExitCode;
  const bool callers_fault =
      error.code() == ErrorCode::invalid || error.code() == ErrorCode::not_found;
  return static_cast<int>(callers_fault ? ExitCode::bad_config : ExitCode::temporary);
}

}  // namespace

int main(int argc, char** argv) try {
  using namespace sarsweep::trainer;
  sarsweep::start_log("sarsweep-trainer");
  CLI::App app("Trains, samples and evaluates latent diffusion models on SAR images.",
               "sarsweep-trainer");
  app.require_subcommand(1);
  int exit_code = 0;
  // add_NAME(app, exit_code);  one line a command
  add_init(app, exit_code);
  add_synthesize(app, exit_code);
  add_evaluate(app, exit_code);
  add_train(app, exit_code);
  add_sample(app, exit_code);
  add_replay(app, exit_code);
  add_bench(app, exit_code);
  add_selftest(app, exit_code);
  add_convert(app, exit_code);
  add_inspect(app, exit_code);
  add_clip(app, exit_code);
  add_mawc(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }
  return exit_code;
} catch (const sarsweep::Error& error) {
  std::cerr << "sarsweep-trainer: error: " << error.what() << '\n';
  return exit_code_of(error);
} catch (const std::exception& error) {
  std::cerr << "sarsweep-trainer: internal error: " << error.what() << '\n';
  return 1;
}
