#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"
#include "coordinator/slurm/slurm.h"
#include "coordinator/store/slurm_store.h"
#include "schema/protocol/messages.h"

namespace sarsweep::coordinator {

// The order of one more job for a pool.
JobOrder order_of(const Core& core, const SlurmPoolRequest& pool, const std::string& token,
                  const std::string& worker_name);

// Writes the script that an order names.
void write_script(const Core& core, const SlurmPoolRequest& pool);

// Asks sbatch whether it would take such jobs, then stores the pool. Throws Error: invalid for
// arguments a pool cannot have; conflict for a name that is taken, where there is no Slurm, and for
// what sbatch refuses.
nlohmann::json add_slurm_pool(Core& core, Slurm& slurm, const SlurmPoolRequest& request,
                              const std::string& actor);
// Throws Error: not_found; conflict for a pool that is being removed.
nlohmann::json apply_pool_verb(Core& core, const std::string& name, PoolVerb verb,
                               const std::string& actor);
// Each with its jobs. The callers add `trouble`, which stands in no table.
nlohmann::json slurm_pools_view(const Core& core, Connection& connection);

// Why the worker of that Slurm job is not needed; empty: it may register, or it is none.
std::string why_dismissed(Connection& connection, const RegisterRequest& request);
// Notes that the job of this request has its worker.
void admit(Connection& connection, const RegisterRequest& request, std::int64_t worker);

}  // namespace sarsweep::coordinator
