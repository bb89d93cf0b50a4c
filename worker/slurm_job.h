#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "schema/base/clock.h"

// The Slurm job that this process lives in.
namespace sarsweep::worker {

// Its id; empty outside of a job.
std::string slurm_job_id();

// The seconds of "1-02:03:04", "02:03:04" or "03:04", as squeue prints them; nullopt for
// "UNLIMITED" and for anything else.
std::optional<std::chrono::seconds> parse_slurm_time(const std::string& text);

// Time until Slurm ends the job: by SLURM_JOB_END_TIME, else by asking squeue. nullopt: outside of
// a job, without a limit, or where Slurm does not say.
std::optional<std::chrono::seconds> slurm_time_left(const Clock& clock);

// How long before its end a machine's runs begin to save, where nobody said: a tenth of the time
// that is left, at least half a minute, at most ten minutes, never more than half of it.
std::chrono::seconds usual_save_time(std::chrono::seconds left);

}  // namespace sarsweep::worker
