#pragma once

#include <array>
#include <optional>
#include <string_view>

// The states of Slurm pools and their jobs, spelled as in SQL and JSON.
namespace sarsweep {

enum class PoolState {
  active,
  paused,   // submits nothing; its jobs go on
  removing  // until its last job is over
};
inline constexpr std::array kPoolStates = {PoolState::active, PoolState::paused,
                                           PoolState::removing};

// What a person can ask of a pool.
enum class PoolVerb { pause, resume, remove };
inline constexpr std::array kPoolVerbs = {PoolVerb::pause, PoolVerb::resume, PoolVerb::remove};

enum class SlurmJobState {
  submitting,  // meant to be there; what came of its sbatch is not known
  pending,
  running,
  lost,  // it was never found out, and another takes its place
  ended
};
inline constexpr std::array kSlurmJobStates = {SlurmJobState::submitting, SlurmJobState::pending,
                                               SlurmJobState::running, SlurmJobState::lost,
                                               SlurmJobState::ended};

std::string_view to_string(PoolState state);
std::string_view to_string(PoolVerb verb);
std::string_view to_string(SlurmJobState state);
std::optional<PoolState> parse_pool_state(std::string_view text);  // nullopt: unknown spelling.
std::optional<PoolVerb> parse_pool_verb(std::string_view text);
std::optional<SlurmJobState> parse_slurm_job_state(std::string_view text);

// True while the job holds a place of its pool: submitting, pending, running.
bool is_alive(SlurmJobState state);

}  // namespace sarsweep
