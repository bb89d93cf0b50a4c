#include "tests/load/simulated_worker.h"

#include <fmt/format.h>

#include <utility>

#include "schema/base/digest.h"
#include "tests/load/points.h"

namespace sarsweep::load {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

// As sarsweep-worker waits (worker/agent.h).
constexpr milliseconds kFirstRetry(250), kLongestRetry(15'000);
constexpr int kBatchesToALog = 5;
constexpr const char* kLogLine = "step 20 of 100000: train/loss 0.0921, 31.6 images/s\n";

milliseconds seconds(double value) {
  return std::chrono::duration_cast<milliseconds>(std::chrono::duration<double>(value));
}

// Nothing was decided: the request may be repeated.
bool is_away(ErrorCode code) { return code == ErrorCode::unreachable || code == ErrorCode::busy; }

}  // namespace

SimulatedWorker::SimulatedWorker(Surroundings& surroundings, int number)
    : at_(surroundings),
      name_(fmt::format("worker-{:03}", number)),
      incarnation_(random_hex(16)),
      chance_(static_cast<unsigned>(number + 1)),
      backoff_(kFirstRetry, kLongestRetry, static_cast<std::uint64_t>(number)) {}

void SimulatedWorker::begin(TimePoint due) {
  ++at_.working;
  next_batch_ = due;
  then(due, &SimulatedWorker::join);
}

void SimulatedWorker::then(TimePoint due, Step step) {
  at_.timetable.at(due, [this, step](TimePoint was_due) {
    at_.latencies.add(Request::late, was_due, SteadyClock::now());
    (this->*step)(was_due);
  });
}

std::optional<json> SimulatedWorker::ask(Request request, TimePoint due, Step step,
                                         const std::function<Reply()>& send) {
  Reply reply = send();
  const TimePoint now = SteadyClock::now();
  if (reply) {
    at_.latencies.add(request, due, now);
    if (request != Request::heartbeat) backoff_.reset();
    return *std::move(reply);
  }
  const std::string what = fmt::format("{}: {}", to_string(request), reply.error().message);
  if (is_away(reply.error().code)) {
    at_.ledger.unanswered(what);
    then(now + (request == Request::heartbeat ? seconds(heartbeat_s_) : backoff_.next()), step);
  } else {
    at_.ledger.fault(fmt::format("{}: {}", name_, what));
    if (request != Request::heartbeat) end();
  }
  return std::nullopt;
}

void SimulatedWorker::join(TimePoint due) {
  const RegisterRequest request{name_, incarnation_, "host-" + name_, 1, {{0, "cpu"}}};
  const auto reply = ask(Request::started, due, &SimulatedWorker::join,
                         [&] { return at_.control.post("/api/v1/workers/register", request); });
  if (!reply) return;
  const auto member = reply->get<RegisterReply>();
  worker_id_ = member.worker_id;
  heartbeat_s_ = member.heartbeat_s;
  then_at_once(&SimulatedWorker::claim);
  then(SteadyClock::now() + seconds(heartbeat_s_), &SimulatedWorker::beat);
}

void SimulatedWorker::beat(TimePoint due) {
  std::optional<LeaseKey> asked;
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    asked = held_;
  }
  HeartbeatRequest request{worker_id_, incarnation_, false, {}};
  if (asked) request.leases.push_back(*asked);
  const auto reply = ask(Request::heartbeat, due, &SimulatedWorker::beat,
                         [&] { return at_.control.post("/api/v1/workers/heartbeat", request); });
  if (!reply) return;
  look_at_orders(*reply, asked);
  std::uniform_real_distribution<double> jitter(0.9, 1.1);
  then(due + seconds(heartbeat_s_ * jitter(chance_)), &SimulatedWorker::beat);
}

// Of an attempt whose end is being reported meanwhile nothing is expected.
void SimulatedWorker::look_at_orders(const json& reply, const std::optional<LeaseKey>& asked) {
  const std::lock_guard lock(mutex_);
  if (!asked || !held_ || held_->run_id != asked->run_id) return;
  const auto orders = reply.get<HeartbeatReply>().runs;
  const bool goes_on = orders.size() == 1 && orders.front().order == Order::go_on;
  if (!goes_on) {
    at_.ledger.fault(fmt::format("{}: the lease of run {} was lost", name_, asked->run_id));
  }
}

// A claim without an answer may have been granted: who leaves on it loses a lease.
void SimulatedWorker::claim(TimePoint due) {
  if (at_.closing && nonce_.empty()) return then_at_once(&SimulatedWorker::leave);
  if (nonce_.empty()) nonce_ = fmt::format("{}-{}", incarnation_, ++nonces_);
  const LeaseRequest request{worker_id_, incarnation_, nonce_, {0}};
  const auto reply = ask(Request::claim, due, &SimulatedWorker::claim,
                         [&] { return at_.control.post("/api/v1/workers/lease", request); });
  if (!reply) return;
  nonce_.clear();
  const auto lease = reply->get<LeaseReply>();
  if (lease.grants.empty()) {
    return then(SteadyClock::now() + seconds(lease.retry_after_s), &SimulatedWorker::claim);
  }
  attempt_ = {};
  attempt_.key = lease.grants.front().key;
  at_.ledger.granted(attempt_.key.run_id, attempt_.key.lease_epoch);
  {
    const std::lock_guard lock(mutex_);
    held_ = attempt_.key;
  }
  then_at_once(&SimulatedWorker::report_started);
}

void SimulatedWorker::report_started(TimePoint due) {
  const auto reply = ask(Request::started, due, &SimulatedWorker::report_started,
                         [&] { return at_.control.post("/api/v1/workers/started", attempt_.key); });
  if (!reply) return;
  await_next_batch(SteadyClock::now());
}

// Where the stream stands now. An append whose reply was lost is found done.
std::optional<std::int64_t> SimulatedWorker::append(Request request, TimePoint due, Step step,
                                                    const char* path, std::int64_t offset,
                                                    const std::string& bytes) {
  const std::int64_t after = offset + static_cast<std::int64_t>(bytes.size());
  const auto reply = ask(request, due, step, [&]() -> Reply {
    Reply sent = at_.data.post_bytes(path,
                                     {{"run_id", attempt_.key.run_id},
                                      {"lease_epoch", std::to_string(attempt_.key.lease_epoch)},
                                      {"offset", std::to_string(offset)}},
                                     bytes, attempt_.key.grant_token);
    const bool known = !sent && sent.error().body.is_object() &&
                       sent.error().body.value("stored", std::int64_t{-1}) == after;
    return known ? Reply(sent.error().body) : sent;
  });
  if (!reply) return std::nullopt;
  return reply->at("stored").get<std::int64_t>();
}

void SimulatedWorker::ship(TimePoint due) {
  const Pace& pace = at_.pace;
  const std::int64_t last = attempt_.steps + pace.steps_per_batch;
  const bool is_last = attempt_.batches + 1 == pace.batches_per_run;
  std::string lines = event_lines(attempt_.key.run_id, attempt_.steps + 1, last);
  if (is_last) lines += end_line(last);
  at_.ledger.sent(attempt_.key.run_id, last);
  const auto stored = append(Request::events, due, &SimulatedWorker::ship, "/api/v1/data/events",
                             attempt_.event_bytes, lines);
  if (!stored) return;
  at_.ledger.acknowledged(attempt_.key.run_id, last);
  attempt_.event_bytes = *stored;
  attempt_.steps = last;
  ++attempt_.batches;
  if (is_last || attempt_.batches % kBatchesToALog == 0) {
    return then_at_once(&SimulatedWorker::ship_log);
  }
  await_next_batch(due);
}

// By the times of a grid, so that what one batch took is not added to the next one's.
void SimulatedWorker::await_next_batch(TimePoint due) {
  if (at_.pace.between_batches.count() == 0) return then_at_once(&SimulatedWorker::ship);
  next_batch_ += at_.pace.between_batches;
  then(std::max(next_batch_, due), &SimulatedWorker::ship);
}

void SimulatedWorker::ship_log(TimePoint due) {
  const auto stored = append(Request::log, due, &SimulatedWorker::ship_log, "/api/v1/data/log",
                             attempt_.log_bytes, kLogLine);
  if (!stored) return;
  attempt_.log_bytes = *stored;
  if (attempt_.batches == at_.pace.batches_per_run) {
    return then_at_once(&SimulatedWorker::finish);
  }
  await_next_batch(due);
}

void SimulatedWorker::finish(TimePoint due) {
  {
    const std::lock_guard lock(mutex_);
    held_.reset();
  }
  FinishRequest request;
  request.key = attempt_.key;
  request.event_bytes = attempt_.event_bytes;
  request.log_bytes = attempt_.log_bytes;
  const auto reply = ask(Request::finish, due, &SimulatedWorker::finish,
                         [&] { return at_.control.post("/api/v1/workers/finish", request); });
  if (!reply) return;
  if (reply->get<FinishReply>().state == RunState::done) {
    at_.ledger.finished(attempt_.key.run_id);
  } else {
    at_.ledger.fault(
        fmt::format("{}: run {} ended as {}", name_, attempt_.key.run_id, reply->dump()));
  }
  then_at_once(&SimulatedWorker::claim);
}

void SimulatedWorker::leave(TimePoint due) {
  const auto reply = ask(Request::finish, due, &SimulatedWorker::leave, [&] {
    return at_.control.post("/api/v1/workers/leave",
                            {{"worker_id", worker_id_}, {"incarnation", incarnation_}});
  });
  if (reply) end();
}

void SimulatedWorker::end() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  --at_.working;
}

}  // namespace sarsweep::load
