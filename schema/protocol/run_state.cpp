#include "schema/protocol/run_state.h"

#include "schema/protocol/spelling.h"

namespace sarsweep {
namespace {

std::optional<RunState> after_pause(RunState from) {
  using enum RunState;
  switch (from) {
    case waiting:
    case queued:
    case backoff:
    case blocked:
    case paused: return paused;
    case leased:
    case running:
    case pausing: return pausing;
    case cancelling:
    case cancelled:
    case failed:
    case done: return std::nullopt;
  }
  return std::nullopt;
}

std::optional<RunState> after_cancel(RunState from, RunState when_held) {
  using enum RunState;
  switch (from) {
    case waiting:
    case queued:
    case backoff:
    case blocked:
    case paused: return cancelled;
    case leased:
    case running:
    case pausing:
    case cancelling: return when_held;
    case cancelled:
    case failed:
    case done: return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(RunState state) {
  using enum RunState;
  switch (state) {
    case waiting: return "waiting";
    case queued: return "queued";
    case backoff: return "backoff";
    case leased: return "leased";
    case running: return "running";
    case pausing: return "pausing";
    case paused: return "paused";
    case cancelling: return "cancelling";
    case cancelled: return "cancelled";
    case failed: return "failed";
    case blocked: return "blocked";
    case done: return "done";
  }
  return "";
}

std::string_view to_string(AttemptEnd end) {
  using enum AttemptEnd;
  switch (end) {
    case succeeded: return "succeeded";
    case failed: return "failed";
    case lost: return "lost";
    case preempted: return "preempted";
    case paused: return "paused";
    case cancelled: return "cancelled";
    case fenced: return "fenced";
    case spec_error: return "spec_error";
  }
  return "";
}

std::string_view to_string(Verb verb) {
  switch (verb) {
    case Verb::pause: return "pause";
    case Verb::cancel: return "cancel";
    case Verb::kill: return "kill";
    case Verb::resume: return "resume";
    case Verb::retry: return "retry";
  }
  return "";
}

std::optional<RunState> parse_run_state(std::string_view text) {
  return parse_spelling<RunState>(text, kRunStates);
}
std::optional<AttemptEnd> parse_attempt_end(std::string_view text) {
  return parse_spelling<AttemptEnd>(text, kAttemptEnds);
}
std::optional<Verb> parse_verb(std::string_view text) { return parse_spelling<Verb>(text, kVerbs); }

bool is_held(RunState state) {
  using enum RunState;
  return state == leased || state == running || state == pausing || state == cancelling;
}

bool is_terminal(RunState state) {
  using enum RunState;
  return state == done || state == failed || state == cancelled;
}

bool can_move(RunState from, RunState to) {
  using enum RunState;
  switch (from) {  // No default: a new state does not compile until it is placed here.
    case waiting: return to == queued || to == blocked || to == paused || to == cancelled;
    case queued:
      return to == waiting || to == leased || to == running || to == paused || to == cancelled ||
             to == done;
    case backoff: return to == queued || to == running || to == paused || to == cancelled;
    case leased:
    case running:
      return to == running || to == queued || to == backoff || to == pausing || to == cancelling ||
             to == cancelled || to == failed || to == done;
    case pausing:
      return to == paused || to == done || to == failed || to == cancelling || to == cancelled;
    case paused: return to == waiting || to == queued || to == cancelled;
    case cancelling: return to == cancelled;
    case cancelled:
    case failed: return to == waiting || to == queued;
    case blocked: return to == waiting || to == paused || to == cancelled;
    case done: return to == queued;
  }
  return false;
}

std::optional<RunState> after_verb(RunState from, Verb verb) {
  using enum RunState;
  switch (verb) {
    case Verb::pause: return after_pause(from);
    case Verb::cancel: return after_cancel(from, cancelling);
    case Verb::kill: return after_cancel(from, cancelled);
    case Verb::resume:
      if (from == paused || from == cancelled || from == failed) return queued;
      // Only the hold of its sweep may be lifted.
      if (from == waiting || from == queued || from == backoff || from == blocked) return from;
      return std::nullopt;
    case Verb::retry:
      if (from == cancelled || from == failed) return queued;
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace sarsweep
