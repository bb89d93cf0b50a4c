#pragma once

#include <filesystem>
#include <string>

#include "schema/base/clock.h"
#include "trainer/core/config/stage_config.h"
#include "trainer/core/run/event_log.h"
#include "trainer/core/run/run_file.h"
#include "trainer/core/run/stop_signals.h"

namespace sarsweep::trainer {

// What every stage of a run shares. Confined to the main thread.
class RunContext {
 public:
  // `run_dir` must exist; events.jsonl is opened for appending. stages() has its defaults until
  // parse_stages, which throws Error(invalid): by then there is a log to tell it to.
  RunContext(std::filesystem::path run_dir, RunFile file, StopSignals& signals, const Clock& clock);

  void parse_stages();

  const std::filesystem::path& dir() const { return dir_; }
  const RunFile& file() const { return file_; }
  const StageConfig& stages() const { return stages_; }
  const Clock& clock() const { return clock_; }
  StopSignals& signals() { return signals_; }
  EventLog& events() { return events_; }

  // Throws Error(busy) once a stop was asked for: the way out of a stage without updates.
  void check_stop();
  // check_stop, and a `stage` event: the first, the last, and between them one a second.
  void stage(const std::string& name, long done, long total);
  // A `progress` event, at most one a second; `done == total` is always told.
  void progress(long done, long total);
  // The finished updates last told to progress(): where the run ends if something stops it.
  long step() const { return step_; }
  // A `warning` event, also in the log.
  void warn(const std::string& message);

 private:
  std::filesystem::path dir_;
  RunFile file_;
  StageConfig stages_;
  StopSignals& signals_;
  const Clock& clock_;
  EventLog events_;
  Clock::TimePoint last_told_{};
  long step_ = 0;
};

}  // namespace sarsweep::trainer
