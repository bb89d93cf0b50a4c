#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>

#include "coordinator/client/api_client.h"
#include "schema/protocol/messages.h"
#include "tests/load/latencies.h"
#include "tests/load/ledger.h"
#include "tests/load/timetable.h"
#include "worker/backoff.h"

namespace sarsweep::load {

// How the simulated trainers write.
struct Pace {
  int steps_per_batch = 20;  // of kKeys points each
  int batches_per_run = 13;
  std::chrono::milliseconds between_batches{1000};  // 0: as soon as the last is acknowledged
  std::int64_t steps_per_run() const { return std::int64_t{steps_per_batch} * batches_per_run; }
};

// What all workers share. Outlives them and the timetable.
struct Surroundings {
  const client::ApiClient& control;
  const client::ApiClient& data;
  Timetable& timetable;
  Latencies& latencies;
  Ledger& ledger;
  Pace pace;
  std::atomic<bool> closing = false;  // no new run is asked for
  std::atomic<int> working = 0;       // workers that have begun and not left
};

// One worker with one slot, as sarsweep-worker behaves toward the coordinator: it registers, beats
// its heart, and leases run after run, whose events it ships batch by batch. A request without an
// answer is sent again as it was. Its two chains of deeds, the heart's and the run's, may go on at
// the same time.
class SimulatedWorker {
 public:
  SimulatedWorker(Surroundings& surroundings, int number);

  void begin(TimePoint due);

 private:
  using Step = void (SimulatedWorker::*)(TimePoint due);
  using Reply = client::Result<nlohmann::json>;
  struct Attempt {
    LeaseKey key;
    std::int64_t steps = 0;  // acknowledged
    std::int64_t event_bytes = 0, log_bytes = 0;
    int batches = 0;
  };

  void join(TimePoint due);
  void beat(TimePoint due);
  void claim(TimePoint due);
  void report_started(TimePoint due);
  void ship(TimePoint due);
  void await_next_batch(TimePoint due);
  void ship_log(TimePoint due);
  void finish(TimePoint due);
  void leave(TimePoint due);

  void then(TimePoint due, Step step);
  void then_at_once(Step step) { then(SteadyClock::now(), step); }
  // Sends, notes the latency, and says whether there is an answer: without one `step` comes again
  // later, after a refusal the worker ends and the ledger knows why.
  std::optional<nlohmann::json> ask(Request request, TimePoint due, Step step,
                                    const std::function<Reply()>& send);
  std::optional<std::int64_t> append(Request request, TimePoint due, Step step, const char* path,
                                     std::int64_t offset, const std::string& bytes);
  void look_at_orders(const nlohmann::json& reply, const std::optional<LeaseKey>& asked);
  void end();

  Surroundings& at_;
  const std::string name_, incarnation_;
  std::string worker_id_, nonce_;
  double heartbeat_s_ = 5;
  std::int64_t nonces_ = 0;
  std::minstd_rand chance_;  // of the heart's chain
  worker::Backoff backoff_;  // of the run's chain
  TimePoint next_batch_;
  Attempt attempt_;  // the run's chain alone
  std::mutex mutex_;
  std::optional<LeaseKey> held_;  // what the heart asks about; none once the end is being reported
  bool over_ = false;             // the heart stops
};

}  // namespace sarsweep::load
