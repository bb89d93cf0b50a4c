#include "worker/supervisor.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace sarsweep::worker {

Supervisor::Supervisor(TrainerProcess trainer, const Patience& patience, const Clock& clock,
                       std::function<void()> on_end)
    : patience_(patience), clock_(clock), on_end_(std::move(on_end)), trainer_(std::move(trainer)) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Supervisor::~Supervisor() = default;

void Supervisor::obey(Order order) {
  switch (order) {
    case Order::go_on: return;
    case Order::drain: return drain();
    case Order::pause:
    case Order::cancel: return stop_as(StopReason::ordered);
    case Order::kill: return stop_as(StopReason::killed);
    case Order::fenced: return stop_as(StopReason::fenced);
  }
}

void Supervisor::drain() { stop_as(StopReason::drained); }

std::optional<SupervisedEnd> Supervisor::end() const {
  return end_.with([](const auto& end) { return end; });
}

void Supervisor::stop_as(StopReason reason) {
  const bool changed = wanted_.with([reason](StopReason& wanted) {
    if (reason <= wanted) return false;
    wanted = reason;
    return true;
  });
  if (changed) wakeup_.notify();
}

void Supervisor::run(const std::stop_token& stop) {
  try {
    while (!stop.stop_requested()) {
      if (const auto exit = trainer_.poll()) return conclude(*exit);
      act();
      wakeup_.wait_for(stop, patience_.poll);
    }
  } catch (const std::exception& error) {
    spdlog::critical("supervision failed: {}", error.what());
    conclude(TrainerExit{false, {}});
  }
}

void Supervisor::act() {
  const StopReason wanted = wanted_.with([](StopReason reason) { return reason; });
  if (wanted == StopReason::none || destroyed_) return;
  const bool at_once = wanted == StopReason::killed || wanted == StopReason::fenced;
  if (!at_once && !asked_) {
    asked_ = clock_.steady();
    trainer_.ask_to_stop();
  }
  if (at_once || clock_.steady() - *asked_ >= patience_.stop_grace) {
    destroyed_ =
        true;  // conclude() tries again; a process in a driver's hands must not hold us here.
    trainer_.destroy(patience_.kill);
  }
}

void Supervisor::conclude(const TrainerExit& exit) {
  SupervisedEnd end;
  end.exit = exit;
  end.gone = trainer_.destroy(patience_.kill);
  end.stopped = wanted_.with([](StopReason reason) { return reason; });
  end_.with([&end](auto& slot) { slot = end; });
  on_end_();
}

}  // namespace sarsweep::worker
