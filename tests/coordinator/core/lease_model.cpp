#include "tests/coordinator/core/lease_model.h"

#include <fmt/format.h>

#include "coordinator/core/ending.h"

namespace sarsweep::lease_model {
namespace {

using coordinator::Budget;
using coordinator::Charge;
using coordinator::Ending;

int owner(const Attempt& attempt) { return attempt.request / kRequests; }

Attempt& attempt_of(State& state, int epoch) {
  return state.attempts.at(static_cast<std::size_t>(epoch - 1));
}
const Attempt& attempt_of(const State& state, int epoch) {
  return state.attempts.at(static_cast<std::size_t>(epoch - 1));
}
Trace& trace_of(State& state, int worker, int epoch) {
  return state.traces.at(static_cast<std::size_t>(worker)).at(static_cast<std::size_t>(epoch - 1));
}
Trace trace_of(const State& state, int worker, int epoch) {
  return state.traces.at(static_cast<std::size_t>(worker)).at(static_cast<std::size_t>(epoch - 1));
}

bool has_ended(Trace trace) { return trace >= Trace::ended; }
int exit_code_of(Trace trace) { return trace == Trace::ended ? 0 : 143; }

Trace after_point(Trace trace) { return static_cast<Trace>(static_cast<std::uint8_t>(trace) + 1); }
Trace stopped(Trace trace) {
  switch (points_of(trace)) {
    case 0: return Trace::stopped_0;
    case 1: return Trace::stopped_1;
    default: return Trace::stopped_2;
  }
}

// ---- the coordinator ----

void move(State& state, RunState to) { state.run = to; }

void conclude(State& state, int epoch, const Ending& ending) {
  attempt_of(state, epoch).end = ending.end;
  if (ending.charge == Charge::infrastructure) ++state.losses;
  move(state, ending.to);
}

Budget budget(const State& state) {
  return {.retries = 1, .user_failures = 0, .infra_failures = state.losses};
}

// The epoch whose attempt a worker's message counts for; 0: fenced.
int hold(State& state, int worker, int epoch, Bug bug) {
  if (bug == Bug::owned_by_worker_name && state.epoch > 0 &&
      owner(attempt_of(state, state.epoch)) == worker) {
    epoch = state.epoch;
  }
  if (epoch != state.epoch) return 0;
  Attempt& attempt = attempt_of(state, epoch);
  const bool requeued = state.run == RunState::queued || state.run == RunState::backoff;
  if (attempt.end == AttemptEnd::lost && requeued && !state.taken_back) {
    attempt.end.reset();
    if (state.losses > 0) --state.losses;
    move(state, RunState::running);
  }
  if (attempt.end) {
    const bool killed = attempt.end == AttemptEnd::cancelled && !attempt.exited;
    if (!killed) return 0;
  }
  return epoch;
}

bool slot_is_held(const State& state, int worker) {
  for (int epoch = 1; epoch <= state.epoch; ++epoch) {
    const Attempt& attempt = attempt_of(state, epoch);
    const bool this_life =
        attempt.request % kRequests >= state.workers[static_cast<std::size_t>(worker)].life;
    if (!attempt.end && owner(attempt) == worker && this_life) return true;
  }
  return false;
}

Verdict take_request(State& state, int worker, int number, Bug bug) {
  if (number < state.workers[static_cast<std::size_t>(worker)].life) return Verdict::refused;
  const auto request = static_cast<std::size_t>(worker * kRequests + number);
  const bool again = state.answers[request] != Answer::unheard;
  const bool forgets = bug == Bug::lease_asked_twice_is_granted_twice;
  if (again && !forgets) return Verdict::accepted;
  const bool free = state.run == RunState::queued && !slot_is_held(state, worker);
  if (!free || state.epoch == kEpochs) {
    if (!again) state.answers[request] = Answer::nothing;
    return Verdict::accepted;
  }
  ++state.epoch;
  state.taken_back = false;
  attempt_of(state, state.epoch) = {.end = {}, .request = static_cast<std::uint8_t>(request)};
  state.answers[request] = static_cast<Answer>(state.epoch + 1);
  move(state, RunState::leased);
  return Verdict::accepted;
}

Verdict take_started(State& state, int worker, int epoch, Bug bug) {
  if (hold(state, worker, epoch, bug) == 0) return Verdict::fenced;
  if (state.run == RunState::leased) move(state, RunState::running);
  return Verdict::accepted;
}

Verdict take_beat(State& state, int worker, int epoch, Bug bug) {
  const int held = hold(state, worker, epoch, bug);
  if (held == 0) return Verdict::fenced;
  if (attempt_of(state, held).end) return Verdict::kill;
  if (state.run == RunState::pausing) return Verdict::pause;
  return state.run == RunState::cancelling ? Verdict::cancel : Verdict::accepted;
}

Verdict take_point(State& state, int worker, int epoch, int point, Bug bug) {
  int held = bug == Bug::metrics_of_any_epoch ? epoch : hold(state, worker, epoch, bug);
  if (held == 0) return Verdict::fenced;
  Attempt& attempt = attempt_of(state, held);
  if (point != attempt.stored + 1) return Verdict::refused;
  ++attempt.stored;
  return Verdict::accepted;
}

Verdict take_finish(State& state, int worker, int epoch, Bug bug) {
  const Trace trace = trace_of(state, worker, epoch);
  const bool any = bug == Bug::finish_of_any_epoch;
  if (epoch == state.epoch && attempt_of(state, epoch).exited) return Verdict::accepted;
  const int held = any ? epoch : hold(state, worker, epoch, bug);
  if (held == 0) return Verdict::fenced;
  Attempt& attempt = attempt_of(state, held);
  const bool complete = attempt.stored == points_of(trace);
  if (!complete && bug != Bug::done_before_everything_arrived) return Verdict::incomplete;
  attempt.exited = true;
  const bool overrides = bug == Bug::finish_overrides_cancel && trace == Trace::ended;
  if (!attempt.end || any || overrides) {
    const RunState seen = overrides ? RunState::running : state.run;
    conclude(state, held,
             coordinator::ending_of(seen, {.code = exit_code_of(trace)}, budget(state)));
  }
  return Verdict::accepted;
}

void expire(State& state, Bug bug) {
  const int epoch = state.epoch;
  conclude(state, epoch, coordinator::ending_of_lost_lease(state.run, budget(state)));
  state.judged = 0;
  if (bug == Bug::epochs_are_reused) --state.epoch;
}

Verdict take_verb(State& state, Verb verb) {
  const std::optional<RunState> to = after_verb(state.run, verb);
  if (!to) return Verdict::refused;
  if (is_held(state.run) && *to == RunState::cancelled) {
    attempt_of(state, state.epoch).end = AttemptEnd::cancelled;
  }
  const bool lost = state.epoch > 0 && attempt_of(state, state.epoch).end == AttemptEnd::lost;
  state.taken_back = state.taken_back || (lost && *to != state.run);
  const bool was_over = is_terminal(state.run);
  move(state, *to);
  if (was_over) state.losses = 0;
  return Verdict::accepted;
}

// ---- the workers ----

void stop(State& state, Worker& worker, int number) {
  Trace& trace = trace_of(state, number, worker.epoch);
  if (!has_ended(trace)) trace = stopped(trace);
  worker.phase = Phase::ending;
}

// What a worker does upon the reply to what it said of `epoch`.
void hear(State& state, int number, const Event& event, Verdict verdict) {
  Worker& worker = state.workers[static_cast<std::size_t>(number)];
  const bool busy = worker.phase == Phase::training || worker.phase == Phase::ending;
  if (!busy || worker.epoch != event.epoch) return;
  const bool finished = event.kind == Kind::finish && verdict == Verdict::accepted;
  if (verdict == Verdict::fenced || finished) {
    // Its messages so far may still arrive; it makes no more.
    worker.phase = Phase::idle;
    worker.epoch = 0;
  } else if (verdict == Verdict::kill || verdict == Verdict::cancel || verdict == Verdict::pause) {
    stop(state, worker, number);
  }
}

void take_answer(State& state, int number) {
  Worker& worker = state.workers[static_cast<std::size_t>(number)];
  const Answer answer =
      state.answers[static_cast<std::size_t>(number * kRequests + worker.asked - 1)];
  worker.phase = answer == Answer::nothing ? Phase::idle : Phase::training;
  if (answer == Answer::nothing) return;
  worker.epoch = static_cast<std::uint8_t>(static_cast<int>(answer) - 1);
  trace_of(state, number, worker.epoch) = Trace::begun;
}

Verdict told(State& state, const Event& event, Bug bug) {
  switch (event.kind) {
    case Kind::started: return take_started(state, event.worker, event.epoch, bug);
    case Kind::beat: return take_beat(state, event.worker, event.epoch, bug);
    case Kind::point: return take_point(state, event.worker, event.epoch, event.number, bug);
    default: return take_finish(state, event.worker, event.epoch, bug);
  }
}

void add_told(const State& state, int worker, int epoch, std::vector<Event>& events) {
  const Trace trace = trace_of(state, worker, epoch);
  if (trace == Trace::none) return;
  const auto add = [&](Kind kind, int number) {
    for (const bool heard : {false, true}) {
      events.push_back({kind, static_cast<std::uint8_t>(worker), static_cast<std::uint8_t>(number),
                        static_cast<std::uint8_t>(epoch), heard});
    }
  };
  add(Kind::started, 0);
  add(Kind::beat, 0);
  for (int point = 1; point <= points_of(trace); ++point) add(Kind::point, point);
  if (has_ended(trace)) add(Kind::finish, 0);
}

void add_of_worker(const State& state, int number, std::vector<Event>& events) {
  const Worker& worker = state.workers[static_cast<std::size_t>(number)];
  const auto name = static_cast<std::uint8_t>(number);
  if (worker.phase == Phase::idle && worker.asked < kRequests) events.push_back({Kind::ask, name});
  for (int request = 0; request < worker.asked; ++request) {
    events.push_back({Kind::request, name, static_cast<std::uint8_t>(request)});
  }
  if (worker.phase == Phase::asking) {
    const auto last = static_cast<std::size_t>(number * kRequests + worker.asked - 1);
    if (state.answers[last] != Answer::unheard) events.push_back({Kind::answer, name});
  }
  if (worker.phase == Phase::training) {
    const Trace trace = trace_of(state, number, worker.epoch);
    if (trace < Trace::two) events.push_back({Kind::produce, name});
    if (trace == Trace::two) events.push_back({Kind::end, name});
  }
  if (worker.phase != Phase::idle) events.push_back({Kind::crash, name});
  for (int epoch = 1; epoch <= kEpochs; ++epoch) add_told(state, number, epoch, events);
}

void act_of_worker(State& state, const Event& event) {
  Worker& worker = state.workers[event.worker];
  switch (event.kind) {
    case Kind::ask:
      ++worker.asked;
      worker.phase = Phase::asking;
      return;
    case Kind::answer: return take_answer(state, event.worker);
    case Kind::produce: {
      Trace& trace = trace_of(state, event.worker, worker.epoch);
      trace = after_point(trace);
      return;
    }
    case Kind::end:
      trace_of(state, event.worker, worker.epoch) = Trace::ended;
      worker.phase = Phase::ending;
      return;
    default: worker = {.asked = worker.asked, .life = worker.asked};
  }
}

}  // namespace

int points_of(Trace trace) {
  static constexpr std::array kOf = {0, 0, 1, 2, 2, 0, 1, 2};
  return kOf.at(static_cast<std::size_t>(trace));
}

std::vector<Event> Model::possible(const State& state) const {
  std::vector<Event> events;
  for (int worker = 0; worker < kWorkers; ++worker) add_of_worker(state, worker, events);
  const bool open = state.epoch > 0 && !attempt_of(state, state.epoch).end;
  if (bug == Bug::expiry_is_applied_late) {
    if (open && state.judged == 0) events.push_back({.kind = Kind::judge});
    if (state.judged != 0) events.push_back({.kind = Kind::expire});
  } else if (open) {
    events.push_back({.kind = Kind::expire});
  }
  for (std::size_t i = 0; i < verbs.size(); ++i) {
    if ((state.said >> i & 1U) == 0) {
      events.push_back({.kind = Kind::verb, .number = static_cast<std::uint8_t>(i)});
    }
  }
  return events;
}

Outcome Model::apply(const State& state, const Event& event) const {
  Outcome out{state};
  switch (event.kind) {
    case Kind::ask:
    case Kind::answer:
    case Kind::produce:
    case Kind::end:
    case Kind::crash: act_of_worker(out.state, event); break;
    case Kind::request:
      out.verdict = take_request(out.state, event.worker, event.number, bug);
      break;
    case Kind::started:
    case Kind::beat:
    case Kind::point:
    case Kind::finish:
      out.verdict = told(out.state, event, bug);
      if (event.heard) hear(out.state, event.worker, event, out.verdict);
      break;
    case Kind::judge: out.state.judged = out.state.epoch; break;
    case Kind::expire: expire(out.state, bug); break;
    case Kind::verb:
      out.verdict = take_verb(out.state, verbs[event.number]);
      if (out.verdict == Verdict::accepted) {
        out.state.said = static_cast<std::uint8_t>(out.state.said | 1U << event.number);
      }
  }
  return out;
}

std::string to_string(const Event& event) {
  static constexpr std::array kNames = {"ask",    "request", "answer",  "started", "beat",
                                        "point",  "finish",  "produce", "end",     "crash",
                                        "expire", "judge",   "verb"};
  return fmt::format("{} worker {} number {} epoch {}{}",
                     kNames.at(static_cast<std::size_t>(event.kind)), event.worker, event.number,
                     event.epoch, event.heard ? ", heard" : "");
}

std::string to_string(Bug bug) {
  static constexpr std::array kNames = {"none",
                                        "finish_of_any_epoch",
                                        "owned_by_worker_name",
                                        "metrics_of_any_epoch",
                                        "lease_asked_twice_is_granted_twice",
                                        "done_before_everything_arrived",
                                        "finish_overrides_cancel",
                                        "epochs_are_reused",
                                        "expiry_is_applied_late"};
  return kNames.at(static_cast<std::size_t>(bug));
}

}  // namespace sarsweep::lease_model
