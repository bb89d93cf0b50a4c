// The real coordinator answers as the lease model does, along random paths of the model.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>

#include "tests/coordinator/core/bench.h"
#include "tests/coordinator/core/lease_model.h"

namespace sarsweep::coordinator {
namespace {

using lease_model::Answer;
using lease_model::Event;
using lease_model::Kind;
using lease_model::State;
using lease_model::Verdict;
using nlohmann::json;

// One metric line; all have one length, so that a point's number is its offset.
std::string line_of(int point) {
  return json{{"type", "metrics"}, {"step", point}, {"values", {{"x", 1}}}}.dump() + "\n";
}

Verdict verdict_of(Order order) {
  switch (order) {
    case Order::go_on: return Verdict::accepted;
    case Order::drain: return Verdict::nothing;  // Nobody drains here.
    case Order::pause: return Verdict::pause;
    case Order::cancel: return Verdict::cancel;
    case Order::kill: return Verdict::kill;
    case Order::fenced: return Verdict::fenced;
  }
  return Verdict::nothing;
}

// The coordinator, spoken to in the model's events.
class Real {
 public:
  Real() {
    bench_.sweep.runs = {planned("a")};
    bench_.submit();
    for (int worker = 0; worker < lease_model::kWorkers; ++worker) join(worker);
  }

  Verdict apply(const State& before, const Event& event, const std::vector<Verb>& verbs) {
    try {
      switch (event.kind) {
        case Kind::ask:
          asked_in_[{event.worker, before.workers[event.worker].asked}] = lives_[event.worker];
          return Verdict::nothing;
        case Kind::request: return request(event.worker, event.number);
        case Kind::crash: return ++lives_[event.worker], join(event.worker), Verdict::nothing;
        case Kind::expire:
          return bench_.wait(bench_.core->options().regrant_after_s + 1), Verdict::nothing;
        case Kind::verb: return bench_.verb("a", verbs[event.number]), Verdict::accepted;
        case Kind::started:
        case Kind::beat:
        case Kind::point:
        case Kind::finish: return told(before, event);
        default: return Verdict::nothing;
      }
    } catch (const Error& error) {
      if (error.code() == ErrorCode::fenced) return Verdict::fenced;
      if (error.code() == ErrorCode::conflict) return Verdict::refused;
      throw;
    }
  }

  // The epoch that a request was answered with, as the model writes it.
  Answer answer(int worker, int number) const {
    const auto found = answers_.find({worker, number});
    return found == answers_.end() ? Answer::unheard : found->second;
  }
  json run() { return bench_.core->run(bench_.run("a")["id"]); }

 private:
  void join(int worker) {
    ids_[worker] = bench_.core
                       ->register_worker({.name = name(worker),
                                          .incarnation = incarnation(worker, lives_[worker]),
                                          .host = "h",
                                          .threads = 1,
                                          .slots = {{0, "cpu"}}})
                       .worker_id;
  }
  static std::string name(int worker) { return fmt::format("w{}", worker); }
  static std::string incarnation(int worker, int life) {
    return fmt::format("w{}-{}", worker, life);
  }

  Verdict request(int worker, int number) {
    const std::pair which(worker, number);
    const LeaseReply reply = bench_.core->lease({ids_[worker],
                                                 incarnation(worker, asked_in_.at(which)),
                                                 fmt::format("n{}-{}", worker, number),
                                                 {0}});
    answers_[which] = Answer::nothing;
    for (const Grant& grant : reply.grants) {
      answers_[which] = static_cast<Answer>(grant.key.lease_epoch + 1);
      keys_[{worker, static_cast<int>(grant.key.lease_epoch)}] = grant.key;
    }
    return Verdict::accepted;
  }

  Verdict told(const State& before, const Event& event) {
    const LeaseKey& key = keys_.at({event.worker, event.epoch});
    const auto length = static_cast<std::int64_t>(line_of(1).size());
    switch (event.kind) {
      case Kind::started: return bench_.core->started(key), Verdict::accepted;
      case Kind::beat: {
        const int worker = event.worker;
        return verdict_of(
            bench_.core
                ->heartbeat({ids_[worker], incarnation(worker, lives_[worker]), false, {key}})
                .runs.front()
                .order);
      }
      case Kind::point: {
        const bool taken =
            bench_.core->append_events(key, (event.number - 1) * length, line_of(event.number))
                .accepted;
        return taken ? Verdict::accepted : Verdict::refused;
      }
      default: break;
    }
    const lease_model::Trace trace = before.traces[event.worker][event.epoch - 1U];
    const FinishOutcome outcome =
        bench_.core->finish({.key = key,
                             .exit_code = trace == lease_model::Trace::ended ? 0 : 143,
                             .signal = 0,
                             .reason = "",
                             .event_bytes = lease_model::points_of(trace) * length,
                             .log_bytes = 0});
    return outcome.reply ? Verdict::accepted : Verdict::incomplete;
  }

  Bench bench_;
  std::map<int, int> lives_;
  std::map<int, std::string> ids_;
  std::map<std::pair<int, int>, int> asked_in_;    // worker, request → life
  std::map<std::pair<int, int>, Answer> answers_;  // worker, request
  std::map<std::pair<int, int>, LeaseKey> keys_;   // worker, epoch
};

void expect_same(Real& real, const State& state) {
  const json run = real.run();
  ASSERT_EQ(run["state"], to_string(state.run));
  ASSERT_EQ(run["attempts"].size(), state.epoch);
  for (const json& attempt : run["attempts"]) {
    const auto epoch = attempt["attempt"].get<std::size_t>();
    const lease_model::Attempt& expected = state.attempts.at(epoch - 1);
    ASSERT_EQ(attempt["end"], expected.end ? json(to_string(*expected.end)) : json(nullptr))
        << "attempt " << epoch;
  }
  for (int request = 0; request < lease_model::kWorkers * lease_model::kRequests; ++request) {
    ASSERT_EQ(real.answer(request / lease_model::kRequests, request % lease_model::kRequests),
              state.answers.at(static_cast<std::size_t>(request)));
  }
}

// The model stops counting at its last epoch.
bool beyond(const State& state, const Event& event) {
  return event.kind == Kind::request && state.epoch == lease_model::kEpochs &&
         state.run == RunState::queued;
}

void walk(unsigned seed, const std::vector<Verb>& verbs) {
  const lease_model::Model model{.verbs = verbs};
  std::mt19937 random(seed);
  Real real;
  State state;
  std::string way;
  for (int step = 0; step < 60; ++step) {
    std::vector<Event> events = model.possible(state);
    std::erase_if(events, [&](const Event& event) { return beyond(state, event); });
    if (events.empty()) return;
    const Event event = events[random() % events.size()];
    way += "\n  " + to_string(event);
    SCOPED_TRACE(way);
    const lease_model::Outcome expected = model.apply(state, event);
    ASSERT_EQ(real.apply(state, event, verbs), expected.verdict);
    state = expected.state;
    expect_same(real, state);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(LeaseConformance, TheCoordinatorDoesAsTheModelDoes) {
  const std::vector<std::vector<Verb>> kWishes = {
      {Verb::cancel}, {Verb::kill}, {Verb::pause, Verb::resume}, {Verb::cancel, Verb::retry}};
  for (unsigned seed = 1; seed <= 24; ++seed) {
    SCOPED_TRACE(seed);
    walk(seed, kWishes[seed % kWishes.size()]);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace sarsweep::coordinator
