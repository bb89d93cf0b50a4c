#include "worker/held_run.h"

#include <signal.h>
#include <spdlog/spdlog.h>

#include <functional>
#include <utility>

#include "schema/base/log.h"
#include "schema/protocol/run_dir.h"
#include "worker/process_table.h"

namespace sarsweep::worker {
namespace {

constexpr int kMostRefusals = 5;
constexpr int kSignalBase = 128;

int code_of(run_dir::ExitCode code) { return static_cast<int>(code); }

// mpirun ends with 128 + the signal that ended a rank. 143 is a trainer's own code.
ExitStatus status_of_ranks(const ExitStatus& mpirun) {
  const bool by_signal = mpirun.signal == 0 && mpirun.code > kSignalBase &&
                         mpirun.code != code_of(run_dir::ExitCode::stopped);
  return by_signal ? ExitStatus{mpirun.code, mpirun.code - kSignalBase} : mpirun;
}

Backoff backoff_for(const RunSurroundings& surroundings, const LeaseKey& key) {
  return {surroundings.retry_first, surroundings.retry_cap,
          std::hash<std::string>{}(key.grant_token)};
}

}  // namespace

HeldRun::HeldRun(const RunSurroundings& surroundings, AttemptRecord record, FreshRun fresh)
    : surroundings_(surroundings),
      record_(std::move(record)),
      shipper_(surroundings.api, record_.key, record_.run_dir),
      backoff_(backoff_for(surroundings, record_.key)) {
  thread_ = std::jthread(
      [this, fresh = std::move(fresh)](const std::stop_token& stop) { run(stop, fresh); });
}

HeldRun::HeldRun(const RunSurroundings& surroundings, const AttemptRecord& record)
    : surroundings_(surroundings),
      record_(record),
      shipper_(surroundings.api, record_.key, record_.run_dir),
      backoff_(backoff_for(surroundings, record_.key)) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop, std::nullopt); });
}

HeldRun::~HeldRun() = default;

void HeldRun::obey(Order order) {
  if (order == Order::drain) return save_and_stop();
  intent_.with([order](Intent& intent) {
    if (order == Order::go_on) return;
    intent.order = order;
    if (intent.supervisor != nullptr) intent.supervisor->obey(order);
  });
  if (order != Order::go_on) wakeup_.notify();
}

void HeldRun::save_and_stop() {
  intent_.with([](Intent& intent) {
    intent.stopping = true;
    if (intent.supervisor != nullptr) intent.supervisor->drain();
  });
}

void HeldRun::drain() {
  intent_.with([](Intent& intent) { intent.draining = true; });
  save_and_stop();
  wakeup_.notify();
}

bool HeldRun::over() const {
  return life_.with([](Life life) { return life != Life::going; });
}

bool HeldRun::slots_usable() const {
  return life_.with([](Life life) { return life == Life::over; });
}

void HeldRun::run(const std::stop_token& stop, std::optional<FreshRun> fresh) {
  std::optional<SupervisedEnd> end;
  try {
    if (fresh) {
      end = start(*fresh);
    } else {
      supervise(TrainerProcess::adopt(record_));
      if (record_.walltime && record_.process) {
        const auto left = *record_.walltime - age_of(*record_.process);
        deadline_ = surroundings_.clock.steady() + left;
      }
    }
    if (!end) end = follow(stop);
    if (end) conclude(stop, *end);
  } catch (const std::exception& error) {
    spdlog::critical("run {}: {}; its lease will lapse", record_.name, error.what());
  }
  life_.with([&end](Life& life) { life = end && !end->gone ? Life::over_but_stuck : Life::over; });
  surroundings_.on_over();
}

std::optional<SupervisedEnd> HeldRun::start(const FreshRun& fresh) {
  try {
    surroundings_.records.save(record_);
    prepare_run_dir(record_.run_dir, fresh.run_json, fresh.placement);
    supervise(TrainerProcess::start(surroundings_.programs, record_, surroundings_.records));
    if (record_.walltime) deadline_ = surroundings_.clock.steady() + *record_.walltime;
    spdlog::info("run {} e{}: started in {}", record_.name, record_.key.lease_epoch,
                 record_.run_dir.string());
    return std::nullopt;
  } catch (const Error& error) {
    trouble_ = error.what();
    spdlog::error("run {} e{}: {}", record_.name, record_.key.lease_epoch, trouble_);
    return SupervisedEnd{
        {true, {code_of(run_dir::ExitCode::temporary), 0}}, StopReason::none, true};
  }
}

void HeldRun::supervise(TrainerProcess trainer) {
  supervisor_.emplace(std::move(trainer), surroundings_.patience, surroundings_.clock,
                      [this] { wakeup_.notify(); });
  intent_.with([this](Intent& intent) {
    intent.supervisor = &*supervisor_;
    supervisor_->obey(intent.order);
    if (intent.stopping) supervisor_->drain();
  });
}

std::optional<SupervisedEnd> HeldRun::follow(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (const auto end = supervisor_->end()) return end;
    if (!started_reported_) report_started();
    if (deadline_ && surroundings_.clock.steady() >= *deadline_) stop_at_walltime();
    const Shipped outcome = shipper_.ship(Until::line_end);
    if (outcome == Shipped::fenced) supervisor_->obey(Order::fenced);
    if (outcome == Shipped::away) {
      wakeup_.wait_for(stop, backoff_.next());
    } else {
      backoff_.reset();
      wakeup_.wait_for(stop, surroundings_.ship_every);
    }
  }
  return std::nullopt;
}

void HeldRun::stop_at_walltime() {
  if (walltime_over_) return;
  walltime_over_ = true;
  spdlog::info("run {} e{}: its walltime is over; it saves and stops", record_.name,
               record_.key.lease_epoch);
  save_and_stop();
}

void HeldRun::report_started() {
  const auto answer = surroundings_.api.started(record_.key);
  if (answer) {
    started_reported_ = true;
    return;
  }
  switch (answer.error().code) {
    case ErrorCode::fenced:
    case ErrorCode::not_found: supervisor_->obey(Order::fenced); return;
    case ErrorCode::conflict:
    case ErrorCode::invalid:
      // It started before, by an earlier process of this worker or in a reply that got lost.
      started_reported_ = true;
      return;
    default: return;  // Asked again at the next round.
  }
}

bool HeldRun::was_fenced() const {
  return intent_.with([](const Intent& intent) { return intent.order == Order::fenced; });
}

void HeldRun::conclude(const std::stop_token& stop, const SupervisedEnd& end) {
  if (!end.gone) {
    spdlog::critical("run {} e{}: a process survives SIGKILL; its slots stay out of use",
                     record_.name, record_.key.lease_epoch);
  }
  shipper_.look();
  Shipped outcome = end.stopped == StopReason::fenced ? Shipped::fenced : Shipped::away;
  while (outcome != Shipped::fenced) {
    FinishReply reply;
    outcome = shipper_.finish(finish_request(end), reply);
    if (outcome == Shipped::all) {
      spdlog::info("run {} e{}: ended, now {}", record_.name, record_.key.lease_epoch,
                   to_string(reply.state));
      surroundings_.records.remove(record_);
      return;
    }
    if (was_fenced()) outcome = Shipped::fenced;
    if (outcome != Shipped::fenced && !keep_trying(outcome, stop)) return;
  }
  spdlog::warn("run {} e{}: fenced; its files stay in {}", record_.name, record_.key.lease_epoch,
               record_.run_dir.string());
  surroundings_.records.remove(record_);
}

bool HeldRun::keep_trying(Shipped outcome, const std::stop_token& stop) {
  if (outcome == Shipped::refused && ++refusals_ >= kMostRefusals) {
    spdlog::error("run {} e{}: its end is not accepted ({}); its lease will lapse", record_.name,
                  record_.key.lease_epoch, shipper_.refusal());
    surroundings_.records.remove(record_);
    return false;
  }
  const auto now = surroundings_.clock.steady();
  if (intent_.with([](const Intent& intent) { return intent.draining; })) {
    if (!give_up_at_) give_up_at_ = now + surroundings_.drain_patience;
    if (now >= *give_up_at_) {
      spdlog::warn(
          "run {} e{}: the coordinator is away; the next start of this worker reports its end",
          record_.name, record_.key.lease_epoch);
      return false;
    }
  }
  wakeup_.wait_for(stop, backoff_.next());
  return !stop.stop_requested();
}

FinishRequest HeldRun::finish_request(const SupervisedEnd& end) const {
  FinishRequest request;
  request.key = record_.key;
  request.draining = end.stopped == StopReason::drained;
  request.walltime = request.draining && walltime_over_;
  if (const auto& event = shipper_.events().end()) {
    request.exit_code = event->exit_code;
    request.reason = event->reason;
    return request;
  }
  if (!end.exit.known) {
    request.exit_code = 128 + SIGKILL;
    request.signal = SIGKILL;
    request.reason = "the trainer ended while no worker watched it";
    return request;
  }
  const ExitStatus status = has_ranks(record_) ? status_of_ranks(end.exit.status) : end.exit.status;
  request.exit_code = status.code;
  request.signal = status.signal;
  request.reason = printable(trouble_);
  const bool asked = end.stopped == StopReason::ordered || end.stopped == StopReason::drained;
  if (asked && (request.signal == SIGTERM || request.signal == SIGUSR2)) {
    // The signal came before the trainer could listen for it: stopped, with nothing new to save.
    request.exit_code = code_of(run_dir::ExitCode::stopped);
    request.signal = 0;
    request.reason = "stopped before its first update";
  }
  return request;
}

}  // namespace sarsweep::worker
