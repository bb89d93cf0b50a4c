#include "trainer/torch/jobs/run.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <new>
#include <optional>
#include <string>

#include <c10/util/Exception.h>
#include <nlohmann/json.hpp>

#include "schema/base/error.h"
#include "schema/base/log.h"
#include "schema/protocol/run_dir.h"
#include "trainer/torch/jobs/job.h"

namespace sarsweep::trainer {
namespace {

using run_dir::ExitCode;

constexpr int kInternalError = 1;  // a fault of the program: the run's own budget of retries

bool is_memory_error(const c10::Error& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  const std::string text = error.what_without_backtrace();
  return text.find("can't allocate memory") != std::string::npos;
}

struct End {
  int exit_code = 0;
  std::string reason;
  std::string error_code;  // of the `error` event; empty: none
  bool agreed = false;     // all ranks came to it together
};

std::optional<Departure> departure_of(Communicator& ranks) {
  try {
    ranks.require_all();
    return std::nullopt;
  } catch (const Error&) {
    return ranks.departure();
  }
}

// What another rank's departure means for this one.
End end_of_departure(const Departure& departure) {
  switch (static_cast<ExitCode>(departure.exit_code)) {
    case ExitCode::stopped: return {departure.exit_code, departure.reason, {}};
    case ExitCode::bad_config: return {departure.exit_code, departure.reason, "invalid"};
    case ExitCode::out_of_memory: return {departure.exit_code, departure.reason, "out_of_memory"};
    default: return {departure.exit_code, departure.reason, "unreachable"};
  }
}

End end_of(const Error& error, RunContext& run) {
  // A dead rank makes mpirun ask the others to stop: the death is what counts.
  const bool of_others = error.code() == ErrorCode::busy || error.code() == ErrorCode::unreachable;
  const auto departure = of_others ? departure_of(run.ranks()) : std::nullopt;
  if (departure) return end_of_departure(*departure);
  if (run.stopping() && error.code() == ErrorCode::busy) {
    return {static_cast<int>(ExitCode::stopped), "stopped between updates", {}};
  }
  const bool wrong_input =
      error.code() == ErrorCode::invalid || error.code() == ErrorCode::not_found;
  const ExitCode code = wrong_input ? ExitCode::bad_config : ExitCode::temporary;
  return {static_cast<int>(code), error.what(), std::string(to_string(error.code()))};
}

// The one place where what stops a run becomes its end.
End run_to_its_end(RunContext& run, const RecordOrder& record) {
  try {
    const JobOutcome outcome = run_job(run, record);
    const std::string error = outcome.code == ExitCode::diverged ? "diverged" : "";
    return {static_cast<int>(outcome.code), outcome.reason, error, true};
  } catch (const Error& error) {
    return end_of(error, run);
  } catch (const std::bad_alloc&) {
    return {static_cast<int>(ExitCode::out_of_memory), "out of memory; lower train.micro_batch",
            "out_of_memory"};
  } catch (const c10::Error& error) {
    if (is_memory_error(error)) {
      return {static_cast<int>(ExitCode::out_of_memory), "out of memory; lower train.micro_batch",
              "out_of_memory"};
    }
    return {kInternalError, error.what_without_backtrace(), "internal"};
  } catch (const std::filesystem::filesystem_error& error) {  // a full disk, for one
    return {static_cast<int>(ExitCode::temporary), error.what(), "internal"};
  } catch (const std::exception& error) {
    return {kInternalError, error.what(), "internal"};
  }
}

}  // namespace

int train_run(const std::filesystem::path& run_dir, StopSignals& signals, Communicator& ranks,
              const RecordOrder& record, const Clock& clock) {
  if (ranks.first()) {
    start_log("sarsweep-trainer", run_dir / run_dir::kLog);
  } else {
    start_log(fmt::format("sarsweep-trainer[{}]", ranks.rank()));
    spdlog::set_level(spdlog::level::warn);
  }
  RunFile file;
  std::string fault;
  try {
    file = read_run_file(run_dir);
  } catch (const Error& error) {
    fault = error.what();
  }
  RunContext run(run_dir, file, signals, ranks, clock);
  const End end = fault.empty() ? run_to_its_end(run, record)
                                : End{static_cast<int>(ExitCode::bad_config), fault, "invalid"};
  if (!end.error_code.empty()) {
    spdlog::error("{}", printable(end.reason, 4000));
    run.events().write("error", {{"code", end.error_code}, {"message", end.reason}});
  }
  nlohmann::json last = {
      {"exit_code", end.exit_code}, {"reason", end.reason}, {"step", run.step()}};
  const bool by_memory = end.exit_code == static_cast<int>(ExitCode::out_of_memory);
  if (by_memory && run.micro_batch() > 0) last["micro_batch"] = run.micro_batch();
  run.events().write("end", last);
  return run.ranks().leave({end.exit_code, end.agreed, end.reason});
}

}  // namespace sarsweep::trainer
