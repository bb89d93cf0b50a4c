#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "schema/base/clock.h"
#include "schema/base/guarded.h"
#include "schema/protocol/messages.h"
#include "worker/trainer_process.h"
#include "worker/wakeup.h"

namespace sarsweep::worker {

struct Patience {
  std::chrono::milliseconds stop_grace{120'000};  // from SIGTERM to SIGKILL
  std::chrono::milliseconds kill{20'000};  // until a process that survives SIGKILL is given up
  std::chrono::milliseconds poll{100};     // how soon a trainer's end is seen
};

// Why the worker stopped a trainer; `none`: it ended by itself. The later outranks the earlier: a
// person's order stands before the worker's own wish to drain, whichever came first.
enum class StopReason { none, drained, ordered, killed, fenced };

struct SupervisedEnd {
  TrainerExit exit;
  StopReason stopped = StopReason::none;
  bool gone = true;  // false: some process of the attempt survives SIGKILL
};

// Holds a trainer's life: obeys orders and sees its end, on a thread of its own that never waits
// for the network. Once the trainer is over, nothing it started is left. Destroying a Supervisor
// whose trainer still runs leaves that running: the next worker process finds its record.
class Supervisor {
 public:
  // `on_end` is called once, from the thread, when `end()` has a value.
  Supervisor(TrainerProcess trainer, const Patience& patience, const Clock& clock,
             std::function<void()> on_end);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Any thread; orders only ever get stronger: pause and cancel ask the trainer to save and stop,
  // kill and fenced end it at once.
  void obey(Order order);
  void drain();  // As pause, but on the worker's own account.

  std::optional<SupervisedEnd> end() const;  // any thread

 private:
  void run(const std::stop_token& stop);
  void stop_as(StopReason reason);
  void act();
  void conclude(const TrainerExit& exit);

  const Patience patience_;
  const Clock& clock_;
  const std::function<void()> on_end_;
  TrainerProcess trainer_;                 // the thread's own
  std::optional<Clock::TimePoint> asked_;  // the thread's own: when SIGTERM went out
  bool destroyed_ = false;                 // the thread's own
  Guarded<StopReason> wanted_{StopReason::none};
  Guarded<std::optional<SupervisedEnd>> end_;
  Wakeup wakeup_;
  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace sarsweep::worker
