#include "schema/protocol/slurm_state.h"

#include "schema/protocol/spelling.h"

namespace sarsweep {
std::string_view to_string(PoolState state) {
  switch (state) {
    case PoolState::active: return "active";
    case PoolState::paused: return "paused";
    case PoolState::removing: return "removing";
  }
  return "";
}

std::string_view to_string(PoolVerb verb) {
  switch (verb) {
    case PoolVerb::pause: return "pause";
    case PoolVerb::resume: return "resume";
    case PoolVerb::remove: return "remove";
  }
  return "";
}

std::string_view to_string(SlurmJobState state) {
  switch (state) {
    case SlurmJobState::submitting: return "submitting";
    case SlurmJobState::pending: return "pending";
    case SlurmJobState::running: return "running";
    case SlurmJobState::lost: return "lost";
    case SlurmJobState::ended: return "ended";
  }
  return "";
}

std::optional<PoolState> parse_pool_state(std::string_view text) {
  return parse_spelling<PoolState>(text, kPoolStates);
}
std::optional<PoolVerb> parse_pool_verb(std::string_view text) {
  return parse_spelling<PoolVerb>(text, kPoolVerbs);
}
std::optional<SlurmJobState> parse_slurm_job_state(std::string_view text) {
  return parse_spelling<SlurmJobState>(text, kSlurmJobStates);
}

bool is_alive(SlurmJobState state) {
  return state != SlurmJobState::lost && state != SlurmJobState::ended;
}

}  // namespace sarsweep
