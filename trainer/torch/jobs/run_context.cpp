#include "trainer/torch/jobs/run_context.h"

#include <spdlog/spdlog.h>

#include <utility>

#include <nlohmann/json.hpp>

#include "schema/base/error.h"
#include "schema/base/log.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::trainer {
namespace {

constexpr std::chrono::seconds kTellEvery{1};

}  // namespace

RunContext::RunContext(std::filesystem::path run_dir, RunFile file, StopSignals& signals,
                       const Clock& clock)
    : dir_(std::move(run_dir)),
      file_(std::move(file)),
      signals_(signals),
      clock_(clock),
      events_(dir_ / run_dir::kEvents, clock) {}

void RunContext::parse_stages() { stages_ = parse_stage_config(file_.config); }

void RunContext::check_stop() {
  if (signals_.stop_requested()) throw Error(ErrorCode::busy, "stopped by a signal");
}

void RunContext::stage(const std::string& name, long done, long total) {
  check_stop();
  if (done != 0 && done != total && clock_.steady() - last_told_ < kTellEvery) return;
  if (done == 0) spdlog::info("{}: {} to do", name, total);
  last_told_ = clock_.steady();
  events_.write("stage", {{"name", name}, {"done", done}, {"total", total}});
}

void RunContext::progress(long done, long total) {
  step_ = done;
  if (done != total && clock_.steady() - last_told_ < kTellEvery) return;
  last_told_ = clock_.steady();
  events_.write("progress", {{"step", done}, {"total_steps", total}});
}

void RunContext::warn(const std::string& message) {
  spdlog::warn("{}", printable(message));
  events_.write("warning", {{"message", message}});
}

}  // namespace sarsweep::trainer
