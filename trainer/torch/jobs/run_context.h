#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "schema/base/clock.h"
#include "trainer/core/config/stage_config.h"
#include "trainer/core/run/event_log.h"
#include "trainer/core/run/run_file.h"
#include "trainer/core/run/stop_signals.h"
#include "trainer/dist/communicator.h"

namespace sarsweep::trainer {

// What every stage of a run shares, on every rank. Rank 0 alone writes below dir(): events() of the
// others leads nowhere. Confined to the main thread.
class RunContext {
 public:
  // `run_dir` must exist; events.jsonl is opened for appending. stages() has its defaults until
  // parse_stages, which throws Error(invalid): by then there is a log to tell it to.
  RunContext(std::filesystem::path run_dir, RunFile file, StopSignals& signals, Communicator& ranks,
             const Clock& clock);

  void parse_stages();

  const std::filesystem::path& dir() const { return dir_; }
  const RunFile& file() const { return file_; }
  const StageConfig& stages() const { return stages_; }
  const Clock& clock() const { return clock_; }
  EventLog& events() { return events_; }
  Communicator& ranks() { return *ranks_; }
  // From here on ranks() is `device`, which sums in device memory through the ranks it was made of.
  void sum_on_device(std::unique_ptr<Communicator> device);

  // Whether a rank was asked to stop, or to save (since the last time): the same answer on all.
  // Every rank must ask.
  bool stop_agreed();
  bool checkpoint_agreed() { return ranks().any(signals_.take_checkpoint_request()); }
  // After stop_agreed(), or a stop that was asked of this rank. Who asks gets on.
  bool stopping() {
    ranks().note_progress();
    return stop_agreed_ || signals_.stop_requested();
  }

  // Throws Error(busy) once a stop was asked for: the way out of a stage without updates. Throws
  // Error(unreachable) once a rank has departed.
  void check_stop();
  // check_stop, and a `stage` event: the first, the last, and between them one a second.
  void stage(const std::string& name, long done, long total);
  // A `progress` event, at most one a second; `done == total` is always told.
  void progress(long done, long total);
  // The finished updates last told to progress(): where the run ends if something stops it.
  long step() const { return step_; }
  // The images of one pass, once they are known; 0 before.
  std::int64_t micro_batch() const { return micro_batch_; }
  void set_micro_batch(std::int64_t images) { micro_batch_ = images; }
  // A `warning` event, also in the log.
  void warn(const std::string& message);

 private:
  std::filesystem::path dir_;
  RunFile file_;
  StageConfig stages_;
  StopSignals& signals_;
  std::unique_ptr<Communicator> device_ranks_;
  Communicator* ranks_;
  bool stop_agreed_ = false;
  const Clock& clock_;
  EventLog events_;
  Clock::TimePoint last_told_{};
  long step_ = 0;
  std::int64_t micro_batch_ = 0;
};

}  // namespace sarsweep::trainer
