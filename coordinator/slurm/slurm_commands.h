#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "coordinator/slurm/slurm.h"

namespace sarsweep::coordinator {

// Slurm by its command line: sbatch, squeue, sacct and scancel from the PATH, each with a limit of
// time. Thread-safe.
class SlurmCommands final : public Slurm {
 public:
  explicit SlurmCommands(std::chrono::milliseconds limit) : limit_(limit) {}

  std::string why_absent() const override;
  std::string why_refused(const JobOrder& order) override;
  SubmitOutcome submit(const JobOrder& order, const std::stop_token& stop) override;
  QueueLook queue(const std::vector<std::string>& names, const std::stop_token& stop) override;
  QueueLook history(const std::vector<std::string>& names, const std::stop_token& stop) override;
  std::string cancel(const std::string& job_id, Cancel how, const std::stop_token& stop) override;

 private:
  const std::chrono::milliseconds limit_;
};

// The arguments of sbatch for an order, the program left out.
std::vector<std::string> sbatch_arguments(const JobOrder& order);

// The id in what `sbatch --parsable` printed: a line "123" or "123;cluster". Empty where there is
// none, or more than one.
std::string parse_job_id(const std::string& output);

// Lines of `id|state|name|reason`, the last of which may be missing. Not answered where a line is
// anything else.
QueueLook parse_jobs(const std::string& output);

// Throws Error(invalid) for an argument that a pool's jobs cannot have, such as --array.
void check_arguments(const std::vector<std::string>& arguments);

}  // namespace sarsweep::coordinator
