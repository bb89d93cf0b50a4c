#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/protocol/run_state.h"

// The requests and replies that change something, one struct a message; what only reads is a JSON
// document in the published shape (schema/protocol/README.md). from_json refuses unknown keys with
// Error(invalid); servers and clients use the same pair.
namespace sarsweep {

// A sweep file as the CLI posts it. `dir` is the file's folder, `cwd` the caller's; both absolute.
struct SweepSource {
  std::string text;
  std::string file;
  std::string dir;
  std::string cwd;
  std::vector<std::string> set;              // "key=value", in order
  std::map<std::string, std::string> files;  // prompt files by the path as written
  bool rerun = false;
  bool prune = false;     // started runs that left the file are withdrawn, too
  bool withdraw = false;  // runs that left the file may be withdrawn
};

// A remark on a sweep file. line and col count from 1; 0 where there is no place (a --set).
struct Diagnostic {
  std::string file;
  int line = 0;
  int col = 0;
  std::string severity;  // "error" | "warning"
  std::string code;      // "unknown_field", "wrong_type", …
  std::string message;
  std::string suggestion;  // "did you mean 'rank'?", or empty
  std::string source;      // the offending line, for display
  int length = 1;          // characters to underline
};

struct Slot {
  int index = 0;
  std::string device;     // "cpu" | "cuda:0" …
  std::int64_t vram = 0;  // bytes of its GPU's memory; 0: none, or nobody can tell
};

// A slot that is not offered, though no run holds it.
struct RestingSlot {
  int index = 0;
  std::string reason;
};

// The Slurm job a worker lives in, if a pool submitted it: `token` is the job's name at Slurm.
struct SlurmJob {
  std::string token;
  std::string job_id;
};

struct RegisterRequest {
  std::string name;         // chosen by its owner; unique among live workers
  std::string incarnation;  // random per process start
  std::string host;
  int threads = 1;  // CPU threads a slot may use
  std::vector<Slot> slots;
  std::optional<SlurmJob> slurm_job = {};
};
struct RegisterReply {
  std::string worker_id;
  double heartbeat_s = 5;
  double lease_s = 30;
  std::string store;           // folder all workers of a site see
  std::string cache;           // <home>/cache
  std::string data_url = {};   // the data listener; empty: as /api/v1/info says
  std::string dismissed = {};  // why this worker is not needed and may end; empty: it is welcome
};

// A lease on one run. Every later write of the worker carries run_id, lease_epoch and grant_token.
struct LeaseKey {
  std::string run_id;
  std::int64_t lease_epoch = 0;
  std::string grant_token;
};

struct LeaseRequest {
  std::string worker_id;
  std::string incarnation;
  std::string nonce;  // the same nonce gets the same answer
  std::vector<int> free_slots;
};
struct Grant {
  LeaseKey key;
  std::string name;
  std::vector<int> slots;
  nlohmann::json run_json;  // complete but for `device` and `threads`, which the worker adds
};
struct LeaseReply {
  std::vector<Grant> grants;
  double retry_after_s = 1;
  std::string drained_by = {};  // who wants this worker to take no runs; empty: nobody
};

// What the coordinator wants of a held run. `drain`: it saves and ends here, to go on elsewhere.
enum class Order { go_on, drain, pause, cancel, kill, fenced };
std::string_view to_string(Order order);

struct HeartbeatRequest {
  std::string worker_id;
  std::string incarnation;
  bool draining = false;
  std::vector<LeaseKey> leases;
  std::vector<RestingSlot> resting = {};
};
struct OrderedRun {
  std::string run_id;
  std::int64_t lease_epoch = 0;
  Order order = Order::go_on;
};
struct HeartbeatReply {
  std::vector<OrderedRun> runs;
};

// The end of an attempt. `exit_code` is the end event's, else the process's; `signal` 0 if none.
struct FinishRequest {
  LeaseKey key;
  int exit_code = 0;
  int signal = 0;
  std::string reason;
  std::int64_t event_bytes = 0;  // complete lines only
  std::int64_t log_bytes = 0;
  bool draining = false;  // the worker stopped it on its own account
  bool walltime = false;  // for its resources.walltime was over
};
struct FinishReply {
  RunState state = RunState::queued;
};

// Which checkpoints of runs that have ended may go (POST /api/v1/gc).
struct GarbageRequest {
  bool apply = false;                          // false: only look
  std::vector<std::string> runs;               // ids; empty: all that have ended
  std::optional<std::int64_t> keep_last = {};  // at least 1; absent: by the run's state and fields
  std::optional<std::int64_t> keep_best = {};  // absent: the run's checkpoint.keep_best
};

// A worker takes no new runs from now on (POST /api/v1/workers/ID/drain).
struct DrainRequest {
  bool now = false;  // what it has saves and goes on elsewhere; else it ends here
};

// A new run out of a checkpoint of another (POST /api/v1/runs/ID/fork).
struct ForkRequest {
  std::vector<std::string> set;           // "key=value", in order
  std::string name;                       // empty: NAME-fork
  std::optional<std::int64_t> step = {};  // of the checkpoint; absent: the newest
  std::string cwd;                        // what relative paths in `set` mean; absolute
};

// A run that is done trains on (POST /api/v1/runs/ID/extend).
struct ExtendRequest {
  std::int64_t steps = 0;  // updates, 1 to 10^9
};

// Keeps up to `max_jobs` Slurm jobs alive while work waits (POST /api/v1/slurm/pools). Each is a
// worker that speaks to `url` and reads its token from `token_file` on its node.
struct SlurmPoolRequest {
  std::string name;
  std::int64_t max_jobs = 1;
  std::int64_t time_limit_s = 0;                 // of a job; Slurm counts in whole minutes
  std::int64_t idle_timeout_s = 300;             // a worker without a run leaves after it
  std::optional<std::int64_t> save_time_s = {};  // before the limit runs save; absent: a tenth
  std::optional<std::int64_t> workers = {};      // CPU slots of a job; absent: a slot for each GPU
  std::string url;
  std::string token_file;           // absolute
  std::string ca = {};              // absolute; of an https:// url, empty: the nodes' system's
  std::vector<std::string> sbatch;  // further arguments, verbatim
};

void to_json(nlohmann::json& j, const SweepSource& v);
void from_json(const nlohmann::json& j, SweepSource& v);
void to_json(nlohmann::json& j, const Diagnostic& v);
void from_json(const nlohmann::json& j, Diagnostic& v);
void to_json(nlohmann::json& j, const LeaseKey& v);
void from_json(const nlohmann::json& j, LeaseKey& v);
void to_json(nlohmann::json& j, const Slot& v);
void from_json(const nlohmann::json& j, Slot& v);
void to_json(nlohmann::json& j, const RestingSlot& v);
void from_json(const nlohmann::json& j, RestingSlot& v);
void to_json(nlohmann::json& j, const RegisterRequest& v);
void from_json(const nlohmann::json& j, RegisterRequest& v);
void to_json(nlohmann::json& j, const RegisterReply& v);
void from_json(const nlohmann::json& j, RegisterReply& v);
void to_json(nlohmann::json& j, const LeaseRequest& v);
void from_json(const nlohmann::json& j, LeaseRequest& v);
void to_json(nlohmann::json& j, const LeaseReply& v);
void from_json(const nlohmann::json& j, LeaseReply& v);
void to_json(nlohmann::json& j, const HeartbeatRequest& v);
void from_json(const nlohmann::json& j, HeartbeatRequest& v);
void to_json(nlohmann::json& j, const HeartbeatReply& v);
void from_json(const nlohmann::json& j, HeartbeatReply& v);
void to_json(nlohmann::json& j, const FinishRequest& v);
void from_json(const nlohmann::json& j, FinishRequest& v);
void to_json(nlohmann::json& j, const FinishReply& v);
void from_json(const nlohmann::json& j, FinishReply& v);
void to_json(nlohmann::json& j, const ExtendRequest& v);
void from_json(const nlohmann::json& j, ExtendRequest& v);
void to_json(nlohmann::json& j, const ForkRequest& v);
void from_json(const nlohmann::json& j, ForkRequest& v);
void to_json(nlohmann::json& j, const DrainRequest& v);
void from_json(const nlohmann::json& j, DrainRequest& v);
void to_json(nlohmann::json& j, const GarbageRequest& v);
void from_json(const nlohmann::json& j, GarbageRequest& v);
void to_json(nlohmann::json& j, const SlurmPoolRequest& v);
void from_json(const nlohmann::json& j, SlurmPoolRequest& v);

}  // namespace sarsweep
