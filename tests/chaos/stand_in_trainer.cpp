// A trainer that trains nothing and leaves what a real one leaves: events, checkpoints sealed by
// the trainer's own code, a sample, a result. Its weights are a chain of digests through all
// updates: an update that is lost, done twice or done on the wrong checkpoint shows in the last
// bytes.
//
//   stand_in_trainer train RUN_DIR      SARSWEEP_STAND_IN_MS: how long an update takes (10)
#include <spdlog/spdlog.h>
#include <time.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/log.h"
#include "schema/protocol/run_dir.h"
#include "trainer/core/run/checkpoint_dir.h"
#include "trainer/core/run/event_log.h"
#include "trainer/core/run/run_file.h"
#include "trainer/core/run/stop_signals.h"

namespace {

using namespace sarsweep;
using namespace sarsweep::trainer;
using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kWeights = "weights.bin";
constexpr std::size_t kDigest = 64;             // characters of a digest in hex
constexpr std::size_t kWeightRows = 256;        // 16 KiB
constexpr double kMostHex = 281474976710656.0;  // 16^12

int exit_code(run_dir::ExitCode code) { return static_cast<int>(code); }

void take_a_while() {
  const char* chosen = std::getenv("SARSWEEP_STAND_IN_MS");
  const long milliseconds = chosen == nullptr ? 10 : std::strtol(chosen, nullptr, 10);
  const timespec pause{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  nanosleep(&pause, nullptr);
}

// A number in [0, 1) that a double holds exactly.
double number_of(const std::string& chain) {
  return static_cast<double>(std::stoull(chain.substr(0, 12), nullptr, 16)) / kMostHex;
}

// The chain itself comes first, what fills the file follows from it.
std::string weights_of(const std::string& chain) {
  std::string bytes = chain;
  for (std::size_t row = 1; row < kWeightRows; ++row) {
    bytes += sha256(chain + std::to_string(row));
  }
  return bytes;
}

std::string chain_of(const fs::path& checkpoint) {
  return read_file(checkpoint / kWeights).substr(0, kDigest);
}

class Training {
 public:
  Training(const fs::path& folder, StopSignals& signals)
      : folder_(folder),
        run_(read_run_file(folder)),
        events_(folder / run_dir::kEvents),
        signals_(signals),
        steps_(run_.config.at("train").at("steps")),
        every_(run_.config.at("checkpoint").at("every")) {}

  int run() {
    try {
      begin();
      while (step_ < steps_ && !signals_.stop_requested()) update();
      if (step_ < steps_) {
        if (step_ != saved_) save();
        return end(run_dir::ExitCode::stopped, "stopped by a signal");
      }
      finish();
      return end(run_dir::ExitCode::done, "finished");
    } catch (const Error& error) {
      return fail(error.what());
    } catch (const fs::filesystem_error& error) {
      return fail(error.what());
    }
  }

 private:
  void begin() {
    const ResumeChoice choice =
        choose_checkpoint(resume_candidates(run_.resume, folder_ / run_dir::kCheckpoints));
    for (const std::string& refused : choice.refused) {
      events_.write("warning", {{"message", refused}});
    }
    if (choice.checkpoint) {
      step_ = saved_ = choice.checkpoint->step;
      chain_ = chain_of(choice.checkpoint->path);
    } else {
      const fs::path base = run_.config.at("model").at("path").get<std::string>();
      const std::string start = fs::exists(base) ? chain_of(verify_checkpoint(base).path) : "";
      chain_ = sha256(start + std::to_string(run_.seed) + run_.config.at("unet").dump());
    }
    spdlog::info("begins at step {} of {}", step_, steps_);
    events_.write("stage", {{"name", "train"}, {"done", step_}, {"total", steps_}});
  }

  void update() {
    take_a_while();
    ++step_;
    chain_ = sha256(chain_ + std::to_string(step_));
    events_.write("metrics", {{"step", step_}, {"values", {{"train/loss", number_of(chain_)}}}});
    events_.write("progress", {{"step", step_}, {"total_steps", steps_}});
    if (step_ % every_ == 0 || step_ == steps_) save();
  }

  void save() {
    CheckpointWriter writer(folder_ / run_dir::kCheckpoints, step_);
    write_file_atomically(writer.folder() / kWeights, weights_of(chain_));
    const SealedCheckpoint sealed = writer.commit(json::object());
    events_.write("metrics",
                  {{"step", step_}, {"values", {{"val/loss", number_of(sha256(chain_))}}}});
    events_.write("checkpoint", {{"step", step_},
                                 {"path", fs::relative(sealed.path, folder_).string()},
                                 {"manifest_sha256", sealed.manifest_sha256},
                                 {"bytes", sealed.bytes}});
    saved_ = step_;
    spdlog::info("saved step {}", step_);
  }

  // An event with a file that goes up beside it.
  void tell_of_file(const std::string& type, const fs::path& file, const std::string& content,
                    json fields) {
    fs::create_directories((folder_ / file).parent_path());
    write_file_atomically(folder_ / file, content);
    fields["step"] = step_;
    fields["file"] = file.string();
    fields["bytes"] = content.size();
    fields["sha256"] = sha256(content);
    events_.write(type, fields);
  }

  void finish() {
    tell_of_file("sample", fs::path(run_dir::kSamples) / "0.png",
                 weights_of(sha256(chain_ + "sample")), {{"prompt", "p"}, {"seed", run_.seed}});
    const double score = number_of(sha256(chain_ + "eval"));
    events_.write("metrics", {{"step", step_}, {"values", {{"eval/kl_pooled", score}}}});
    tell_of_file("eval", fs::path(run_dir::kEval) / "result.json",
                 json{{"kl_pooled", score}}.dump(), {{"protocol_hash", "p"}});
  }

  int end(run_dir::ExitCode code, const std::string& reason) {
    events_.write("end", {{"exit_code", exit_code(code)}, {"reason", reason}, {"step", step_}});
    return exit_code(code);
  }

  // What the disk refuses is for another attempt to do.
  int fail(const std::string& reason) {
    spdlog::error("{}", reason);
    events_.write("error", {{"code", "internal"}, {"message", reason}});
    return end(run_dir::ExitCode::temporary, reason);
  }

  const fs::path folder_;
  const RunFile run_;
  EventLog events_;
  StopSignals& signals_;
  const long steps_, every_;
  long step_ = 0, saved_ = -1;
  std::string chain_;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3 || std::string(argv[1]) != "train") return exit_code(run_dir::ExitCode::bad_config);
  StopSignals signals;
  start_log("stand-in", fs::path(argv[2]) / run_dir::kLog);
  return Training(argv[2], signals).run();
} catch (const std::exception& error) {
  std::cerr << "stand-in: " << error.what() << '\n';
  return exit_code(run_dir::ExitCode::temporary);
}
