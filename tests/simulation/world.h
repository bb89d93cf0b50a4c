#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "coordinator/core/coordinator.h"
#include "schema/base/error.h"
#include "tests/simulation/agenda.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/trainer_stand_in.h"

namespace sarsweep::simulation {

class WorkerStandIn;

// What a worker hears: the reply, or why there is none.
template <typename Reply>
using Heard = std::variant<Reply, ErrorCode>;

// One simulated history: the real coordinator over a real database, and everything around it
// played: time, network, workers, trainers, people. The same seed makes the same history.
class World {
 public:
  World(std::uint64_t seed, std::filesystem::path folder);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Lets faults happen for a while, then heals everything and lets the work end. The first promise
  // that broke.
  std::optional<std::string> go();
  // Equal for equal histories.
  std::uint64_t trace() const { return trace_; }
  const Faults& faults() const { return faults_; }
  std::int64_t events() const { return events_; }

  // ---- for the workers ----
  // Sends `request` through the network to the coordinator; `reply` is called with what comes back,
  // if anything does, at most once, and not after `wanted` has become false.
  template <typename Reply>
  void call(std::function<Reply(coordinator::Coordinator&)> request,
            std::function<void(const Heard<Reply>&)> reply, std::function<bool()> wanted) {
    const auto answered = std::make_shared<bool>(false);
    const int copies = faults_.duplication && !healed_ && chance.happens(0.1) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      if (is_lost()) continue;
      agenda.in(delay_ms(), [this, request, reply, wanted, answered] {
        when_awake([this, request, reply, wanted, answered] {
          const std::optional<Heard<Reply>> heard = deliver<Reply>(request);
          if (!heard || is_lost()) return;
          agenda.in(delay_ms(), [reply, wanted, answered, heard] {
            if (*answered || !wanted()) return;
            *answered = true;
            reply(*heard);
          });
        });
      });
    }
  }
  // Something that belongs to the history; printed where SARSWEEP_TRACE is set.
  void note(const std::string& what);
  // A new grant has as many slots as its run asks for, and its sweep is not held.
  void expect_legal(const Grant& grant);
  // Puts the artifact's bytes where an upload would, through the coordinator's own check.
  void upload(coordinator::Coordinator& core, const LeaseKey& key, const std::string& content);

  Chance chance;
  VirtualClock clock;
  Agenda agenda{clock, chance};
  Checker checker;
  Checkpoints checkpoints;
  std::string store() const { return (folder_ / "store").string(); }

 private:
  template <typename Reply>
  std::optional<Heard<Reply>> deliver(
      const std::function<Reply(coordinator::Coordinator&)>& request) {
    if (!core_) return std::nullopt;
    Heard<Reply> heard = ErrorCode::internal;
    try {
      heard = request(*core_);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::internal)
        fail(std::string("the coordinator: ") + error.what());
      heard = error.code();
    }
    look();
    return heard;
  }
  bool is_lost() { return faults_.loss && !healed_ && chance.happens(0.1); }
  std::int64_t delay_ms();
  bool stopped() const { return clock.now_ms() < stopped_until_ms_; }
  // At once, or as soon as the coordinator no longer stands still.
  void when_awake(std::function<void()> what) {
    if (!stopped()) return what();
    const std::int64_t ms = stopped_until_ms_ - clock.now_ms() + delay_ms();
    agenda.in(ms, [this, what = std::move(what)] { when_awake(what); });
  }
  void open();
  void die();
  void stop();
  void tick();
  void submit();
  void speak();
  void edit();
  void disturb();
  void heal();
  bool at_rest();
  void look();
  void fail(const std::string& what) {
    if (!fault_) fault_ = what;
  }
  coordinator::PlannedRun planned(int number);
  std::string run_by_chance();

  std::filesystem::path folder_;
  Faults faults_;
  coordinator::ExpandedSweep sweep_;
  std::unique_ptr<coordinator::Coordinator> core_;
  std::vector<std::unique_ptr<WorkerStandIn>> workers_;
  std::optional<std::string> fault_;
  bool healed_ = false;
  std::int64_t stopped_until_ms_ = 0;
  std::uint64_t trace_ = 0xcbf29ce484222325U;
  std::int64_t events_ = 0;
  int uploads_ = 0;
};

}  // namespace sarsweep::simulation
