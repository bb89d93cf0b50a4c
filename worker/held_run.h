#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/base/clock.h"
#include "schema/base/guarded.h"
#include "worker/attempt_record.h"
#include "worker/backoff.h"
#include "worker/coordinator_api.h"
#include "worker/run_folder.h"
#include "worker/shipper.h"
#include "worker/supervisor.h"
#include "worker/wakeup.h"

namespace sarsweep::worker {

// What all runs of a worker share. Outlives them.
struct RunSurroundings {
  CoordinatorApi& api;
  const Clock& clock;
  const AttemptFolder& records;
  TrainerPrograms programs;
  Patience patience;
  std::chrono::milliseconds ship_every{1000};
  std::chrono::milliseconds retry_first{250};
  std::chrono::milliseconds retry_cap{15'000};
  std::chrono::milliseconds drain_patience{30'000};  // for a silent coordinator, once draining
  std::function<void()> on_over;                     // from a run's thread
};

// A grant that is about to start.
struct FreshRun {
  nlohmann::json run_json;
  Placement placement;
};

// One attempt from grant to accepted end: prepares its directory, starts its trainer, ships what it
// writes and reports how it ended. A thread of its own does all waiting for the network; the
// trainer itself is in the hands of a Supervisor. Destroyed early, it leaves the trainer and the
// record.
class HeldRun {
 public:
  HeldRun(const RunSurroundings& surroundings, AttemptRecord record, FreshRun fresh);
  // An attempt that an earlier process of this worker left behind, its trainer alive or not.
  HeldRun(const RunSurroundings& surroundings, const AttemptRecord& record);
  ~HeldRun();
  HeldRun(const HeldRun&) = delete;
  HeldRun& operator=(const HeldRun&) = delete;

  // All of these from any thread.
  void obey(Order order);
  void save_and_stop();  // on the worker's own account; its end is reported however long that takes
  void drain();          // the same, but a silent coordinator is not waited for: the record stays
  const LeaseKey& key() const { return record_.key; }
  const std::string& name() const { return record_.name; }
  const std::vector<int>& slots() const { return record_.slots; }
  bool over() const;          // nothing more will be sent
  bool slots_usable() const;  // false: a process that survived SIGKILL sits on them

 private:
  enum class Life { going, over, over_but_stuck };

  void run(const std::stop_token& stop, std::optional<FreshRun> fresh);
  std::optional<SupervisedEnd> start(const FreshRun& fresh);
  std::optional<SupervisedEnd> follow(const std::stop_token& stop);
  void conclude(const std::stop_token& stop, const SupervisedEnd& end);
  FinishRequest finish_request(const SupervisedEnd& end) const;
  void supervise(TrainerProcess trainer);
  void report_started();
  bool was_fenced() const;
  void stop_at_walltime();
  bool keep_trying(Shipped outcome, const std::stop_token& stop);

  const RunSurroundings& surroundings_;
  AttemptRecord record_;  // `process` is the thread's own; the rest never changes
  Shipper shipper_;       // the thread's own
  bool started_reported_ = false;
  std::string trouble_;  // the thread's own: why the trainer could not be started
  std::optional<Clock::TimePoint> deadline_;    // the thread's own: where the walltime ends
  bool walltime_over_ = false;                  // the thread's own
  int refusals_ = 0;                            // the thread's own
  Backoff backoff_;                             // the thread's own
  std::optional<Clock::TimePoint> give_up_at_;  // the thread's own
  struct Intent {
    Supervisor* supervisor = nullptr;  // absent before the trainer starts
    Order order = Order::go_on;        // the newest
    bool stopping = false;
    bool draining = false;
  };
  Guarded<Intent> intent_;
  Guarded<Life> life_{Life::going};
  Wakeup wakeup_;
  std::optional<Supervisor> supervisor_;
  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace sarsweep::worker
