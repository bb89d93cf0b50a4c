#pragma once

namespace CLI {
class App;
}

// One function a command of sarsweep-trainer, each in commands/NAME.cpp: adds the subcommand, whose
// callback does the work, throws Error, and stores the exit code.
namespace sarsweep::trainer {

void add_init(CLI::App& app, int& exit_code);
void add_synthesize(CLI::App& app, int& exit_code);
void add_sample(CLI::App& app, int& exit_code);
void add_evaluate(CLI::App& app, int& exit_code);
void add_train(CLI::App& app, int& exit_code);
void add_replay(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_convert(CLI::App& app, int& exit_code);
void add_selftest(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app, int& exit_code);
void add_clip(CLI::App& app, int& exit_code);
void add_mawc(CLI::App& app, int& exit_code);

}  // namespace sarsweep::trainer
