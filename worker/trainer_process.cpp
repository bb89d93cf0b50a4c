#include "worker/trainer_process.h"

#include <fmt/format.h>
#include <signal.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "schema/base/error.h"
#include "worker/process_table.h"

namespace sarsweep::worker {
namespace {

// Its own file: trainer.log is written by the trainer, and only what it could not log stands here.
constexpr const char* kRawOutput = "stderr.log";
constexpr std::chrono::seconds kPatience{20};  // for a process to die of SIGKILL

std::vector<std::string> command_of(const TrainerPrograms& programs, const AttemptRecord& record) {
  std::vector<std::string> command;
  if (has_ranks(record)) {
    const std::string ranks = std::to_string(record.slots.size());
    if (programs.mpirun.empty()) {
      throw Error(ErrorCode::not_found,
                  fmt::format("run {} has {} slots, and no mpirun is on the worker's PATH to start "
                              "them; install Open MPI",
                              record.name, ranks));
    }
    command = {programs.mpirun.string(),
               "--allow-run-as-root",
               "--oversubscribe",
               "--bind-to",
               "none",
               "-n",
               ranks};
  }
  command.insert(command.end(), {programs.trainer.string(), "train", record.run_dir.string()});
  return command;
}

// As long as libgomp lets a waiting thread spin by default (a millisecond and more), it holds the
// core that a sibling needs as soon as anything else runs on the machine: docs/benchmarks.md. A
// thousand turns outlast the gap between two operators. What the worker was told goes first.
void yield_soon(std::vector<std::string>& environment) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  environment.push_back("GOMP_SPINCOUNT=1000");
}

}  // namespace

TrainerProcess TrainerProcess::start(const TrainerPrograms& programs, AttemptRecord& record,
                                     const AttemptFolder& folder) {
  folder.save(record);
  SpawnOptions options;
  options.command = command_of(programs, record);
  options.environment = {
      fmt::format("SARSWEEP_RUN={}.{}", record.key.run_id, record.key.lease_epoch), record.marker};
  // What Open MPI leaves behind when a rank is killed goes with the run, not into /dev/shm for
  // ever.
  if (has_ranks(record)) {
    options.blocked = {SIGTERM};  // Slurm sends it to everything in a job that it ends.
    options.environment.push_back("OMPI_MCA_osc_sm_backing_directory=" + record.run_dir.string());
  }
  yield_soon(options.environment);
  options.output = record.run_dir / kRawOutput;
  options.errors = record.run_dir / kRawOutput;
  options.isolation = SpawnOptions::Isolation::session;
  record.process =
      identify(spawn(options));  // Not reaped yet, so /proc knows it even if it is dead.
  try {
    folder.save(record);
  } catch (const Error&) {  // Nobody would ever look after it.
    kill_attempt(record, kPatience);
    try_wait(record.process->pid);
    throw;
  }
  return TrainerProcess(record);
}

TrainerProcess TrainerProcess::adopt(const AttemptRecord& record) { return TrainerProcess(record); }

std::optional<TrainerExit> TrainerProcess::poll() {
  if (end_) return end_;
  const auto facts = record_.process ? process_facts(record_.process->pid) : std::nullopt;
  const bool same = facts && facts->starttime == record_.process->starttime &&
                    record_.process->boot_id == boot_id();
  if (!same) return end_ = TrainerExit{false, {}};
  try {
    // A child that ended stays a zombie until this call, so its status cannot be missed.
    if (const auto status = try_wait(record_.process->pid)) end_ = TrainerExit{true, *status};
    return end_;
  } catch (const Error&) {
    // Adopted: only its disappearance can be seen.
    if (is_alive(*record_.process)) return std::nullopt;
    return end_ = TrainerExit{false, {}};
  }
}

void TrainerProcess::ask_to_stop() {
  if (!record_.process || !is_alive(*record_.process)) return;
  kill(record_.process->pid, has_ranks(record_) ? SIGUSR2 : SIGTERM);
}

bool TrainerProcess::destroy(std::chrono::milliseconds patience) {
  return kill_attempt(record_, patience);
}

}  // namespace sarsweep::worker
