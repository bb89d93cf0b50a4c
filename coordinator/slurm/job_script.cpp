#include "coordinator/slurm/job_script.h"

#include <fmt/format.h>

#include "schema/base/command.h"

namespace sarsweep::coordinator {

std::string job_script(const SlurmPoolRequest& pool, const std::filesystem::path& worker) {
  std::string options;
  if (!pool.ca.empty()) options += " --ca " + shell_word(pool.ca);
  if (pool.save_time_s) options += fmt::format(" --save-time {}s", *pool.save_time_s);
  if (pool.workers) options += fmt::format(" --workers {}", *pool.workers);
  return fmt::format(
      "#!/bin/sh\n"
      "# The worker $1 of the sarsweep pool {0}, for the life of this job.\n"
      "home=$(mktemp -d) || exit 1\n"
      "exec {1} --url {2} --token-file {3} \\\n"
      "  --name \"$1\" --home \"$home\" \\\n"
      "  --slurm-token \"$SLURM_JOB_NAME\" --time-left {4}s --idle-timeout {5}s{6}\n",
      pool.name, shell_word(worker.string()), shell_word(pool.url), shell_word(pool.token_file),
      pool.time_limit_s, pool.idle_timeout_s, options);
}

}  // namespace sarsweep::coordinator
