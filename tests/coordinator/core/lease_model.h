#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/protocol/run_state.h"

// The lease protocol of one run as a state machine small enough to be explored to its closure: two
// workers with two lease requests each, at most three epochs, two metric points an attempt.
// Messages once sent may arrive late, twice or never; workers crash and leases run out at any
// instant. What the coordinator decides is taken from the product's own can_move, after_verb,
// ending_of and ending_of_lost_lease; lease_conformance_test.cpp holds the rest against the real
// coordinator.
namespace sarsweep::lease_model {

inline constexpr int kWorkers = 2, kRequests = 2, kEpochs = 3, kPoints = 2;

// Mistakes that coordinators make; each must be found.
enum class Bug {
  none,
  finish_of_any_epoch,
  owned_by_worker_name,
  metrics_of_any_epoch,
  lease_asked_twice_is_granted_twice,
  done_before_everything_arrived,
  finish_overrides_cancel,
  epochs_are_reused,
  expiry_is_applied_late
};
inline constexpr std::array kBugs = {Bug::finish_of_any_epoch,
                                     Bug::owned_by_worker_name,
                                     Bug::metrics_of_any_epoch,
                                     Bug::lease_asked_twice_is_granted_twice,
                                     Bug::done_before_everything_arrived,
                                     Bug::finish_overrides_cancel,
                                     Bug::epochs_are_reused,
                                     Bug::expiry_is_applied_late};

// What a trainer has done in an epoch, as far as its worker may have told.
enum class Trace : std::uint8_t { none, begun, one, two, ended, stopped_0, stopped_1, stopped_2 };

struct Attempt {
  std::optional<AttemptEnd> end;
  std::uint8_t request = 0;  // worker * kRequests + its number
  std::uint8_t stored = 0;   // points
  bool exited = false;       // its finish was taken
  bool operator==(const Attempt&) const = default;
};

enum class Phase : std::uint8_t { idle, asking, training, ending };

struct Worker {
  Phase phase = Phase::idle;
  std::uint8_t asked = 0;  // requests sent so far
  std::uint8_t life = 0;   // the first request of this process
  std::uint8_t epoch = 0;  // of the trainer, in `training` and `ending`
  bool operator==(const Worker&) const = default;
};

enum class Answer : std::uint8_t { unheard, nothing, epoch_1, epoch_2, epoch_3 };

struct State {
  RunState run = RunState::queued;
  std::uint8_t epoch = 0, losses = 0;
  std::uint8_t said = 0;    // bits: which of the verbs a person has said
  bool taken_back = false;  // by a person, after the newest lease was lost
  std::uint8_t judged =
      0;  // the epoch found expired and not yet closed (with expiry_is_applied_late)
  std::array<Attempt, kEpochs> attempts;
  std::array<Answer, kWorkers* kRequests> answers = {};
  std::array<Worker, kWorkers> workers;
  std::array<std::array<Trace, kEpochs>, kWorkers> traces = {};
  bool operator==(const State&) const = default;
};

// One to one with State.
struct Key {
  std::uint64_t low = 0, high = 0;
  bool operator==(const Key&) const = default;
};
Key pack(const State& state);
State unpack(const Key& key);

enum class Kind : std::uint8_t {
  ask,      // a worker sends its next lease request
  request,  // a lease request arrives
  answer,   // its reply arrives
  started,  // what the worker has told of an epoch arrives, once or again …
  beat,
  point,
  finish,
  produce,  // a trainer makes its next point
  end,      // a trainer ends by itself
  crash,    // worker and trainer die; the worker starts again
  expire,   // the lease runs out
  judge,    // … is found to have run out, to be closed at `expire`
  verb
};

struct Event {
  Kind kind = Kind::ask;
  std::uint8_t worker = 0;
  std::uint8_t number = 0;  // of the request, epoch (from 1), point (from 1, with `epoch`) or verb
  std::uint8_t epoch = 0;
  bool heard = false;  // the reply reaches the worker
};

// What the coordinator answered.
enum class Verdict : std::uint8_t {
  nothing,
  accepted,
  refused,
  fenced,
  incomplete,
  pause,
  cancel,
  kill
};

struct Outcome {
  State state;
  Verdict verdict = Verdict::nothing;
};

struct Model {
  std::vector<Verb> verbs = {Verb::cancel};  // each said at most once, in any order
  Bug bug = Bug::none;

  // What can happen next.
  std::vector<Event> possible(const State& state) const;
  Outcome apply(const State& state, const Event& event) const;
  // The sentence that a step breaks, if any.
  std::optional<std::string> fault(const State& before, const Event& event,
                                   const State& after) const;
};

int points_of(Trace trace);
std::string to_string(const Event& event);
std::string to_string(Bug bug);

}  // namespace sarsweep::lease_model
