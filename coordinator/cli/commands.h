#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/cli/session.h"

// The commands, one file each. They throw Error; `main` turns it into a message and an exit code.
namespace sarsweep::cli {

struct SubmitOptions {
  std::string file = {};
  std::vector<std::string> set = {};
  bool rerun = false;
  bool prune = false;
};
Exit plan(Session& session, const SubmitOptions& options);
Exit submit(Session& session, const SubmitOptions& options);

// Prints a W&B sweep configuration as a sweep file.
Exit import_wandb(Session& session, const std::string& file);

// Which runs: those that a selector names (a name, sweep/name, a unique prefix, @sweep,
// @sweep/study or an id), all of them without one; and of these, those in a state and with a config
// as said.
struct Selection {
  std::vector<std::string> selectors = {};
  std::string state = {};
  std::string where = {};  // "unet.rank >= 64 and unet.mode == lora"
};

struct LsOptions {
  std::string selector = {};
  std::string sweep = {};
  std::string study = {};
  std::string state = {};
  std::string where = {};
};
Exit ls(Session& session, const LsOptions& options);

Exit show(Session& session, const std::string& selector);
Exit why(Session& session, const std::string& selector);
Exit explain(Session& session, const std::string& field);
Exit login(Session& session);
// Looks at what sarsweep stands on: programs, folders, coordinator, workers. Changes nothing.
Exit doctor(Session& session);
struct LeaderboardOptions {
  std::string sweep = {};
  std::string baseline = {};  // a cell; empty: each study's own
};
Exit leaderboard(Session& session, const LeaderboardOptions& options);
struct DiffOptions {
  std::string a = {}, b = {};  // cells, or runs
};
// The second compared with the first.
Exit diff(Session& session, const DiffOptions& options);

struct MetricsOptions {
  std::string selector = {};
  std::vector<std::string> keys = {};
  bool all_attempts = false;
};
Exit metrics(Session& session, const MetricsOptions& options);

struct LogsOptions {
  std::string selector = {};
  bool follow = false;
  std::optional<int> attempt = {};
};
Exit logs(Session& session, const LogsOptions& options);

struct WaitOptions {
  Selection runs = {};
  std::optional<double> timeout_s = {};
};
Exit wait(Session& session, const WaitOptions& options);
Exit watch(Session& session, const Selection& selection);

struct VerbOptions {
  std::string verb = {};
  Selection runs = {};
  bool from_scratch = false;
};
Exit apply_verb(Session& session, const VerbOptions& options);

struct ForkOptions {
  std::string selector = {};
  std::vector<std::string> set = {};
  std::string name = {};                  // empty: NAME-fork
  std::optional<std::int64_t> step = {};  // of the checkpoint; absent: the newest
};
Exit fork(Session& session, const ForkOptions& options);
struct ExtendOptions {
  std::string selector = {};
  std::int64_t steps = 0;
};
Exit extend(Session& session, const ExtendOptions& options);

struct UpOptions {
  int port = 8765;
  std::optional<int> workers;   // 0: no worker
  std::filesystem::path store;  // empty: <home>/store
  std::filesystem::path ready_file;
  bool no_auth = false;
};
Exit up(Session& session, const UpOptions& options);

// Without a file the copy stays in the home folder's backups.
Exit backup(Session& session, const std::string& file);
struct GcOptions {
  Selection runs = {};  // empty: every run that has ended
  std::optional<std::int64_t> keep_last = {}, keep_best = {};
  bool dry_run = false;
};
// Shows what ended runs can do without and how far the disk reaches; asks, then removes it.
Exit gc(Session& session, const GcOptions& options);
struct RestoreOptions {
  std::string file = {};
  std::string store = {};  // empty: <home>/store
};
Exit restore(Session& session, const RestoreOptions& options);

Exit worker_ls(Session& session);
struct WorkerOptions {
  std::vector<std::string> names = {};  // or ids
  bool all = false;
  bool now = false;  // of drain: what they have saves and goes on elsewhere
};
// `verb`: drain, undrain.
Exit worker_change(Session& session, const WorkerOptions& options, const std::string& verb);

// Pools of Slurm jobs, each job a worker.
struct SlurmAddOptions {
  std::string name = "slurm";
  std::int64_t max_jobs = 1;
  std::string time_limit = {};               // "4h"
  std::string idle_timeout = "5m";           // of a job's worker
  std::string save_time = {};                // empty: a tenth of the limit
  std::optional<std::int64_t> workers = {};  // CPU slots of a job
  std::string token_file = {};
  std::vector<std::string> sbatch = {};  // further arguments, verbatim
};
Exit slurm_add(Session& session, const SlurmAddOptions& options);
Exit slurm_ls(Session& session);
// `verb`: pause, resume, remove.
Exit slurm_change(Session& session, const std::string& pool, const std::string& verb);

// Become the program beside this one, with `arguments`. Throws Error(internal) where it is not
// there.
[[noreturn]] void become(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace sarsweep::cli
