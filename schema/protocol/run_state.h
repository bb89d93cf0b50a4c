#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace sarsweep {

// Lifecycle of a run. The enumerators are spelled as in SQL, JSON and the dashboard, so one grep
// finds every use. Diagram and verbs: schema/protocol/README.md.
enum class RunState {
  waiting,  // on a parent
  queued,
  backoff,  // until a time
  leased,   // granted to a worker, trainer not yet started
  running,
  pausing,  // asked to checkpoint and release its slot
  paused,
  cancelling,  // asked to checkpoint, flush and stop
  cancelled,
  failed,
  blocked,  // the parent failed, was cancelled or withdrawn
  done
};

inline constexpr std::array kRunStates = {
    RunState::waiting,   RunState::queued,  RunState::backoff, RunState::leased,
    RunState::running,   RunState::pausing, RunState::paused,  RunState::cancelling,
    RunState::cancelled, RunState::failed,  RunState::blocked, RunState::done};

// How an attempt (one per grant) ended.
enum class AttemptEnd { succeeded, failed, lost, preempted, paused, cancelled, fenced, spec_error };

inline constexpr std::array kAttemptEnds = {
    AttemptEnd::succeeded, AttemptEnd::failed,    AttemptEnd::lost,   AttemptEnd::preempted,
    AttemptEnd::paused,    AttemptEnd::cancelled, AttemptEnd::fenced, AttemptEnd::spec_error};

// What a person can ask of a run.
enum class Verb { pause, cancel, kill, resume, retry };

inline constexpr std::array kVerbs = {Verb::pause, Verb::cancel, Verb::kill, Verb::resume,
                                      Verb::retry};

std::string_view to_string(RunState state);
std::string_view to_string(AttemptEnd end);
std::string_view to_string(Verb verb);
std::optional<RunState> parse_run_state(std::string_view text);  // nullopt: unknown spelling.
std::optional<AttemptEnd> parse_attempt_end(std::string_view text);
std::optional<Verb> parse_verb(std::string_view text);

// True if a run may move from `from` to `to` in one transition. `done`, `failed` and `cancelled`
// are left only by `resume`, `retry` and a withdrawn run's return.
bool can_move(RunState from, RunState to);

// True while a worker may hold the run: leased, running, pausing, cancelling.
bool is_held(RunState state);
// True for done, failed, cancelled.
bool is_terminal(RunState state);

// What a verb does to a run that no worker holds or that one holds, by the table of
// schema/protocol/README.md. `target == from`: a no-op. nullopt: 409.
std::optional<RunState> after_verb(RunState from, Verb verb);

}  // namespace sarsweep
