// The states of the lease model as keys, and the sentences that every step must keep.
#include "tests/coordinator/core/lease_model.h"

namespace sarsweep::lease_model {
namespace {

// Fields of a few bits each, in the order of the calls.
class Packer {
 public:
  void put(std::uint64_t value, int bits) {
    std::uint64_t& word = at_ + bits <= 64 ? key_.low : key_.high;
    if (&word == &key_.high && at_ < 64) at_ = 64;  // No field lies in both words.
    word |= value << (at_ % 64);
    at_ += bits;
  }
  Key key() const { return key_; }

 private:
  Key key_;
  int at_ = 0;
};

class Unpacker {
 public:
  explicit Unpacker(const Key& key) : key_(key) {}
  std::uint64_t take(int bits) {
    const bool high = at_ + bits > 64;
    if (high && at_ < 64) at_ = 64;
    const std::uint64_t word = (high ? key_.high : key_.low) >> (at_ % 64);
    at_ += bits;
    return word & ((std::uint64_t{1} << bits) - 1);
  }
  template <typename T>
  T as(int bits) {
    return static_cast<T>(take(bits));
  }

 private:
  Key key_;
  int at_ = 0;
};

bool is_open(const State& state, int epoch) {
  return !state.attempts.at(static_cast<std::size_t>(epoch - 1)).end;
}

std::optional<std::string> attempt_fault(const State& before, const State& after, std::size_t i) {
  const Attempt& was = before.attempts.at(i);
  const Attempt& is = after.attempts.at(i);
  const int epoch = static_cast<int>(i) + 1;
  if (epoch < before.epoch && was != is) return "a superseded attempt changes";
  if (epoch > after.epoch) return std::nullopt;
  const Trace trace = after.traces.at(is.request / kRequests).at(i);
  if (is.stored > points_of(trace)) return "points are stored that this attempt has not made";
  if (epoch < after.epoch && !is.end) return "an attempt is open beside a newer one";
  const bool requeued = before.run == RunState::queued || before.run == RunState::backoff;
  const bool reclaimed = was.end == AttemptEnd::lost && requeued;  // and perhaps closed at once
  if (epoch <= before.epoch && was.end && was.end != is.end && !reclaimed) {
    return "an attempt is closed twice";
  }
  return std::nullopt;
}

std::optional<std::string> done_fault(const State& state) {
  const std::size_t last = static_cast<std::size_t>(state.epoch) - 1;
  const Attempt& attempt = state.attempts.at(last);
  const Trace trace = state.traces.at(attempt.request / kRequests).at(last);
  if (attempt.end != AttemptEnd::succeeded || trace != Trace::ended) {
    return "a run is done whose newest attempt has not succeeded";
  }
  if (attempt.stored != kPoints) return "a run is done without all its points";
  return std::nullopt;
}

bool comes_back(Verb verb) { return verb == Verb::resume || verb == Verb::retry; }
bool stops(Verb verb) { return verb == Verb::cancel || verb == Verb::kill; }

}  // namespace

Key pack(const State& state) {
  Packer out;
  out.put(static_cast<std::uint64_t>(state.run), 4);
  out.put(state.epoch, 2);
  out.put(state.losses, 3);
  out.put(state.said, 3);
  out.put(state.taken_back ? 1 : 0, 1);
  out.put(state.judged, 2);
  for (const Attempt& attempt : state.attempts) {
    out.put(attempt.end ? static_cast<std::uint64_t>(*attempt.end) + 1 : 0, 4);
    out.put(attempt.request, 2);
    out.put(attempt.stored, 2);
    out.put(attempt.exited ? 1 : 0, 1);
  }
  for (const Answer answer : state.answers) out.put(static_cast<std::uint64_t>(answer), 3);
  for (const Worker& worker : state.workers) {
    out.put(static_cast<std::uint64_t>(worker.phase), 2);
    out.put(worker.asked, 2);
    out.put(worker.life, 2);
    out.put(worker.epoch, 2);
  }
  for (const auto& of_worker : state.traces) {
    for (const Trace trace : of_worker) out.put(static_cast<std::uint64_t>(trace), 3);
  }
  return out.key();
}

State unpack(const Key& key) {
  Unpacker in(key);
  State state;
  state.run = in.as<RunState>(4);
  state.epoch = in.as<std::uint8_t>(2);
  state.losses = in.as<std::uint8_t>(3);
  state.said = in.as<std::uint8_t>(3);
  state.taken_back = in.take(1) != 0;
  state.judged = in.as<std::uint8_t>(2);
  for (Attempt& attempt : state.attempts) {
    const std::uint64_t end = in.take(4);
    if (end != 0) attempt.end = static_cast<AttemptEnd>(end - 1);
    attempt.request = in.as<std::uint8_t>(2);
    attempt.stored = in.as<std::uint8_t>(2);
    attempt.exited = in.take(1) != 0;
  }
  for (Answer& answer : state.answers) answer = in.as<Answer>(3);
  for (Worker& worker : state.workers) {
    worker.phase = in.as<Phase>(2);
    worker.asked = in.as<std::uint8_t>(2);
    worker.life = in.as<std::uint8_t>(2);
    worker.epoch = in.as<std::uint8_t>(2);
  }
  for (auto& of_worker : state.traces) {
    for (Trace& trace : of_worker) trace = in.as<Trace>(3);
  }
  return state;
}

std::optional<std::string> Model::fault(const State& before, const Event& event,
                                        const State& after) const {
  if (after.epoch < before.epoch) return "an epoch is taken back";
  if (before.run != after.run && !can_move(before.run, after.run)) return "an illegal move";
  if (is_terminal(before.run) && before.run != after.run && event.kind != Kind::verb) {
    return "a run that is over goes on";
  }
  for (std::size_t i = 0; i < before.answers.size(); ++i) {
    const bool known = before.answers.at(i) != Answer::unheard;
    if (known && before.answers.at(i) != after.answers.at(i)) return "a question has two answers";
  }
  for (std::size_t i = 0; i < after.attempts.size(); ++i) {
    if (auto found = attempt_fault(before, after, i)) return found;
  }
  if (is_held(after.run) != (after.epoch > 0 && is_open(after, after.epoch))) {
    return "a run is held without an open attempt, or an attempt open that nobody holds";
  }
  bool stopped = false;
  for (std::size_t i = 0; i < verbs.size(); ++i) {
    if (comes_back(verbs[i])) stopped = false;
    const bool said = (after.said >> i & 1U) != 0;
    stopped = stopped || (said && stops(verbs[i]));
  }
  const bool done_now = after.run == RunState::done && before.run != RunState::done;
  if (done_now && stopped) return "a run is done after its cancel was acknowledged";
  if (done_now) return done_fault(after);
  return std::nullopt;
}

}  // namespace sarsweep::lease_model
