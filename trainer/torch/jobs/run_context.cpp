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
                       Communicator& ranks, const Clock& clock)
    : dir_(std::move(run_dir)),
      file_(std::move(file)),
      signals_(signals),
      ranks_(&ranks),
      clock_(clock),
      events_(ranks.first() ? dir_ / run_dir::kEvents : std::filesystem::path(), clock) {}

void RunContext::parse_stages() { stages_ = parse_stage_config(file_.config); }

void RunContext::sum_on_device(std::unique_ptr<Communicator> device) {
  device_ranks_ = std::move(device);
  ranks_ = device_ranks_.get();
}

bool RunContext::stop_agreed() {
  stop_agreed_ = ranks().any(signals_.stop_requested());
  return stop_agreed_;
}

void RunContext::check_stop() {
  ranks().require_all();
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
