#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/core/coordinator_options.h"
#include "coordinator/core/sweep_language.h"
#include "schema/base/clock.h"
#include "schema/protocol/messages.h"
#include "schema/protocol/slurm_state.h"
#include "schema/protocol/worker_state.h"

namespace sarsweep::coordinator {

struct RunFilter {
  std::string sweep = {}, study = {}, state = {}, selector = {};  // empty: any
  std::int64_t limit = 1000;
  std::string after = {};  // a run id: continue behind it
  std::string where = {};  // a condition on the config (schema/config/condition.h)
};

inline constexpr std::int64_t kWholeQueue = 1'000'000;  // more than there can be

struct DataOutcome {  // of an append at an offset
  bool accepted = false;
  std::int64_t stored = 0;
};

struct FinishOutcome {
  std::optional<FinishReply> reply;  // absent: something is missing
  nlohmann::json missing;            // {"event_bytes", "log_bytes", "artifacts"}
};

// The coordinator's decisions, with every change one transaction of the store. Thread-safe: HTTP
// threads call it at will; writes go through the store's single writer. Throws Error.
class Coordinator {
 public:
  // Opens and migrates <home>/sarsweep.db (refusing a second coordinator, a newer schema, a network
  // filesystem), gives every live lease its grace.
  Coordinator(CoordinatorOptions options, const Clock& clock, const SlurmOptions& slurm = {});
  Coordinator(CoordinatorOptions options, const Clock& clock, SweepLanguage language,
              const SlurmOptions& slurm = {});
  ~Coordinator();

  // ---- people ----
  nlohmann::json plan(const SweepSource& source);
  // The text, a W&B sweep configuration, as a sweep file: {"text", "diagnostics"}, the text empty
  // after an error.
  nlohmann::json import_wandb(const SweepSource& source) const;
  // An empty key makes the submit unrepeatable. Throws Error(invalid); `problems`, if given, then
  // holds
  // {"diagnostics": [...]} or {"needs_files": [...]}. Error(conflict): the key was used for another
  // file.
  nlohmann::json submit(const SweepSource& source, const std::string& idempotency_key,
                        const std::string& actor, nlohmann::json* problems);
  nlohmann::json apply_verb(const std::string& run_id, Verb verb, bool from_scratch,
                            const std::string& actor);
  nlohmann::json extend(const std::string& run_id, std::int64_t steps, const std::string& actor);
  // A new run out of a checkpoint of `run_id` (core/fork.h).
  nlohmann::json fork(const std::string& run_id, const ForkRequest& request,
                      const std::string& actor, nlohmann::json* problems);

  // ---- reading: published documents (schema/protocol/README.md) ----
  nlohmann::json sweeps() const;
  nlohmann::json sweep(const std::string& name) const;
  nlohmann::json runs(const RunFilter& filter) const;
  nlohmann::json run(const std::string& id) const;
  nlohmann::json metrics(const std::string& id, const std::vector<std::string>& keys,
                         bool all_attempts, std::int64_t max_points) const;
  nlohmann::json log(const std::string& id, std::int64_t offset, std::int64_t limit,
                     std::optional<std::int64_t> attempt) const;
  nlohmann::json samples(const std::string& id) const;
  nlohmann::json events(const std::string& id, std::int64_t after) const;
  nlohmann::json evaluation(const std::string& id) const;
  nlohmann::json why(const std::string& id) const;
  // `baseline`: a cell that all are compared with; empty: each study's own. Statistics are computed
  // in the background: rows whose numbers are not there yet say that they are computing.
  nlohmann::json leaderboard(const std::string& sweep, const std::string& baseline = {}) const;
  // The same numbers of two cells, or runs: b compared with a (core/cell_diff.h).
  nlohmann::json diff(const std::string& a, const std::string& b) const;
  // Its first `limit` rows.
  nlohmann::json queue(std::int64_t limit = kWholeQueue) const;
  // Of all runs whose name, or sweep/name, begins with `prefix`.
  nlohmann::json names(const std::string& prefix) const;
  nlohmann::json workers() const;
  std::filesystem::path artifact(const std::string& sha256) const;  // Throws Error(not_found).
  std::string prometheus() const;

  // ---- operations ----
  // Copies the database to a new file in <home>/backups, named by the time, while everything goes
  // on: {"file", "bytes", "schema", "sweeps", "runs", "points"}.
  nlohmann::json back_up();
  // What ended runs can do without, removed if that is asked for: the garbage document.
  nlohmann::json collect_garbage(const GarbageRequest& request, const std::string& actor);
  // Whether the worker takes new runs (core/draining.h).
  nlohmann::json set_drain(const std::string& worker_id, Drain drain, const std::string& actor);
  // ---- Slurm ----
  nlohmann::json slurm_pools() const;
  nlohmann::json add_slurm_pool(const SlurmPoolRequest& request, const std::string& actor);
  nlohmann::json apply_pool_verb(const std::string& name, PoolVerb verb, const std::string& actor);

  // Why no work should be sent here now: a full disk, an unreadable database; empty: it may.
  std::vector<std::string> why_not_ready() const;
  // Why nothing is stored any more: the disk failed, or the database is damaged; nullopt while all
  // is well.
  std::optional<std::string> failure() const;
  // What is called then, once and from any thread: the process should end.
  void on_failure(std::function<void()> call);

  // ---- workers ----
  RegisterReply register_worker(const RegisterRequest& request);
  LeaseReply lease(const LeaseRequest& request);
  HeartbeatReply heartbeat(const HeartbeatRequest& request);
  void started(const LeaseKey& key);
  FinishOutcome finish(const FinishRequest& request);
  void leave(const std::string& worker_id, const std::string& incarnation);

  DataOutcome append_events(const LeaseKey& key, std::int64_t offset, std::string_view lines);
  DataOutcome append_log(const LeaseKey& key, std::int64_t offset, std::string_view bytes);
  std::vector<std::string> missing_artifacts(const LeaseKey& key,
                                             const std::vector<std::string>& sha256);
  // Whether bytes may be sent at all: by the holder of a lease, and onto a disk that has room.
  // Throws Error(fenced or no_space).
  void admit_artifact(const LeaseKey& key);
  // The caller streamed the bytes to `file` (inside the store's incoming folder); checks the digest
  // and moves it into place. Throws Error(invalid) on a mismatch.
  void commit_artifact(const LeaseKey& key, const std::string& sha256,
                       const std::filesystem::path& file);
  std::filesystem::path incoming_folder() const;

  // One round of time-driven work: expired leases, backoffs that ended, parents that finished,
  // cancels past their grace. The reaper thread calls it about once a second; a long gap between
  // two rounds counts as this process's own absence, and gives every open lease its grace.
  void tick();
  // Removes the files of checkpoints that are not kept. May take long: not on tick()'s thread.
  void tidy();

  // One round with Slurm over the jobs of all pools. May take minutes: on a thread of its own.
  void tend_slurm(const std::stop_token& stop);

  const CoordinatorOptions& options() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sarsweep::coordinator
