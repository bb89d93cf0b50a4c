#include "trainer/torch/jobs/training_loop.h"

#include <spdlog/spdlog.h>

#include <chrono>

#include "schema/base/error.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr int kMaxSkipsInARow = 10;

double seconds_between(Clock::TimePoint from, Clock::TimePoint to) {
  return std::chrono::duration<double>(to - from).count();
}

// The loop's own state, saved in state.json.
struct LoopState {
  long step = 0;
  long samples_seen = 0;
  long skipped = 0;
  int skipped_in_a_row = 0;
  double seconds = 0;          // of training, over all ranks and attempts
  bool owes_pictures = false;  // a stop broke off the samples or evaluation due at this step
  TrainingWindow window;

  json to_json() const {
    return {{"samples_seen", samples_seen},         {"skipped", skipped},
            {"skipped_in_a_row", skipped_in_a_row}, {"seconds", seconds},
            {"owes_pictures", owes_pictures},       {"window", window.to_json()}};
  }
  static LoopState from_json(long step, const json& document) {
    LoopState state;
    state.step = step;
    document.at("samples_seen").get_to(state.samples_seen);
    document.at("skipped").get_to(state.skipped);
    document.at("skipped_in_a_row").get_to(state.skipped_in_a_row);
    document.at("seconds").get_to(state.seconds);
    state.owes_pictures = document.value("owes_pictures", false);
    state.window = TrainingWindow::from_json(document.at("window"));
    return state;
  }
};

class TrainingLoop {
 public:
  TrainingLoop(RunContext& run, TrainingTask& task, const LoopPlan& plan)
      : run_(run), task_(task), plan_(plan), log_every_(log_interval(plan.total)) {}

  void resume(const SealedCheckpoint& checkpoint) {
    const CheckpointContents contents = load_checkpoint(checkpoint);
    task_.restore(contents);
    try {
      state_ = LoopState::from_json(contents.step, contents.state);
    } catch (const json::exception& error) {
      throw Error(ErrorCode::invalid,
                  "state.json of " + checkpoint.path.string() + " is malformed: " + error.what());
    }
    spdlog::info("resumed at step {} of {}", state_.step, plan_.total);
  }

  LoopEnd run() {
    run_.progress(state_.step, plan_.total);
    const bool at_the_end = state_.step >= plan_.total;
    if (state_.owes_pictures) make_pictures();
    while (state_.step < plan_.total) {
      if (run_.stop_agreed()) return stop();
      if (!one_update()) return LoopEnd::diverged;
      if (state_.step < plan_.total) boundary();
    }
    if (at_the_end && state_.step > 0) return LoopEnd::finished;
    task_.finish();
    validate();
    save();
    run_.progress(state_.step, plan_.total);
    return LoopEnd::finished;
  }

 private:
  // False: diverged.
  bool one_update() {
    const Clock::TimePoint begun = run_.clock().steady();
    const UpdateReport report = task_.update(state_.step);
    const double seconds = seconds_between(begun, run_.clock().steady());
    ++state_.step;
    state_.seconds += seconds * run_.ranks().size();
    window_seconds_ += seconds;
    state_.samples_seen += static_cast<long>(report.image_losses.size());
    window_images_ += static_cast<long>(report.image_losses.size());
    state_.window.add(report);
    if (report.finite) {
      state_.skipped_in_a_row = 0;
    } else if (!tell_skip(report)) {
      return false;
    }
    if (state_.step % log_every_ == 0 || state_.step == plan_.total) log_metrics();
    run_.progress(state_.step, plan_.total);
    return true;
  }

  bool tell_skip(const UpdateReport& report) {
    ++state_.skipped;
    ++state_.skipped_in_a_row;
    std::string names;
    for (const std::string& name : report.images) names += (names.empty() ? "" : ", ") + name;
    run_.warn("update " + std::to_string(state_.step - 1) +
              " was skipped: loss or gradient is not finite (images: " + names + ")");
    return state_.skipped_in_a_row < kMaxSkipsInARow;
  }

  void log_metrics() {
    json values = state_.window.take();
    values["train/samples_seen"] = state_.samples_seen;
    values["train/gpu_hours"] = state_.seconds / 3600;
    if (state_.skipped > 0) values["train/skipped_updates"] = state_.skipped;
    if (window_seconds_ > 0) {
      values["train/images_per_s"] = static_cast<double>(window_images_) / window_seconds_;
    }
    window_seconds_ = 0;
    window_images_ = 0;
    run_.events().write("metrics", {{"step", state_.step}, {"values", std::move(values)}});
  }

  // What is due between two updates.
  void boundary() {
    const bool due = plan_.checkpoint_every > 0 && state_.step % plan_.checkpoint_every == 0;
    const bool asked = run_.checkpoint_agreed();
    if (due) validate();
    make_pictures();
    if ((due || asked) && !state_.owes_pictures) save();
  }

  // Before the checkpoint of the same step: whoever resumes from it has them, or finds them owed.
  void make_pictures() {
    if (!plan_.between) return;
    state_.owes_pictures = true;
    try {
      plan_.between(state_.step);
      state_.owes_pictures = false;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::busy || !run_.stopping()) throw;
    }
  }

  LoopEnd stop() {
    if (state_.step > 0) save();
    return LoopEnd::stopped;
  }

  void validate() {
    if (!run_.ranks().first()) return;
    const std::optional<double> loss = task_.validate();
    if (!loss) return;
    run_.events().write("metrics", {{"step", state_.step}, {"values", {{"val/loss", *loss}}}});
  }

  void save() {
    if (saved_ == state_.step || !run_.ranks().first()) return;
    const LongWork writing(run_.ranks());
    CheckpointContents contents;
    contents.step = state_.step;
    contents.state = state_.to_json();
    task_.snapshot(contents);
    const SealedCheckpoint sealed =
        save_checkpoint(run_.dir() / run_dir::kCheckpoints, contents, plan_.facts);
    saved_ = state_.step;
    run_.events().write("checkpoint", {{"step", sealed.step},
                                       {"path", std::string(run_dir::kCheckpoints) + "/" +
                                                    sealed.path.filename().string()},
                                       {"manifest_sha256", sealed.manifest_sha256},
                                       {"bytes", sealed.bytes}});
  }

  RunContext& run_;
  TrainingTask& task_;
  const LoopPlan& plan_;
  long log_every_;
  LoopState state_;
  long saved_ = -1;
  double window_seconds_ = 0;
  long window_images_ = 0;
};

}  // namespace

std::optional<SealedCheckpoint> find_resume(RunContext& run, const std::string& config_hash) {
  const ResumeChoice choice =
      choose_checkpoint(resume_candidates(run.file().resume, run.dir() / run_dir::kCheckpoints));
  for (const std::string& sentence : choice.refused) run.warn(sentence);
  if (!choice.checkpoint) {
    if (!choice.refused.empty())
      run.warn("no intact checkpoint is left: training starts at step 0");
    return std::nullopt;
  }
  if (choice.checkpoint->manifest.value("config_hash", "") != config_hash) {
    throw Error(ErrorCode::invalid,
                "checkpoint " + choice.checkpoint->path.string() +
                    " was made with another config; restore the config, or start "
                    "afresh with \"resume\": []");
  }
  return choice.checkpoint;
}

LoopEnd run_training_loop(RunContext& run, TrainingTask& task, const LoopPlan& plan,
                          const std::optional<SealedCheckpoint>& resume) {
  TrainingLoop loop(run, task, plan);
  if (resume) loop.resume(*resume);
  return loop.run();
}

}  // namespace sarsweep::trainer
