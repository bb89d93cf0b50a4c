#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/store/connection.h"
#include "coordinator/store/shared_json.h"
#include "schema/protocol/run_state.h"

namespace sarsweep::coordinator {

// A row of `run`. Documents stay JSON text until they are read.
struct RunRow {
  std::int64_t id = 0;
  std::string uid;
  std::int64_t sweep = 0;
  std::string sweep_name;
  std::int64_t position = 0;
  std::string name, cell, label, study;
  std::int64_t seed = 0;
  std::string cell_hash, run_hash, judge_hash;
  std::optional<std::int64_t> alias_of, source_run, parent;
  std::string parent_checkpoint = "last";
  std::optional<std::string> parent_choice = {};  // JSON of a BestRef: how the parent is chosen
  SharedJson config = {}, origins = {};           // flat
  std::optional<std::int64_t> shared_config = {};
  std::string axes = "{}", path_bases = "{}";
  std::int64_t priority = 0, retries = 2;
  bool forked = false;                            // out of another run: no file names it
  std::optional<std::string> extended_from = {};  // the run_hash of its file, before `extend`
  std::int64_t slots = 1;                         // of one machine: resources.gpus
  std::string device = "auto";                    // auto | cpu | cuda: resources.device
  std::int64_t vram = 0;                          // bytes a slot's GPU must have: resources.vram
  RunState state = RunState::queued;
  std::string reason = {};
  std::int64_t state_ms = 0;
  std::optional<std::int64_t> not_before_ms;
  std::int64_t generation = 1, lease_epoch = 0, checkpoint_floor = 1;
  std::int64_t user_failures = 0, infra_failures = 0;
  std::int64_t micro_halvings = 0;  // after running out of memory
  std::int64_t step = 0;
  std::optional<std::int64_t> total_steps;
  std::string stage;
  std::optional<std::string> digests;
  std::int64_t created_ms = 0;
  std::optional<std::int64_t> started_ms = {}, finished_ms = {};

  // The run whose attempts, metrics and files are this one's.
  std::int64_t data_run() const { return alias_of.value_or(source_run.value_or(id)); }
  std::string full_name() const { return sweep_name + "/" + name; }
  // It left its sweep's file.
  bool withdrawn() const { return state == RunState::cancelled && reason == "withdrawn"; }
  bool never_started() const { return lease_epoch == 0 && !source_run; }
};

// A move to another state: who, when and why go into `event`.
struct Move {
  RunState to = RunState::queued;
  std::string actor = {};
  std::string reason = {};
  std::int64_t now_ms = 0;
  std::optional<std::int64_t> not_before_ms = std::nullopt;  // with `backoff` only
};

// What `extend` changes of a run.
struct Extension {
  std::string config, origins;  // whole
  std::string run_hash;
  std::int64_t total_steps = 0;
};

// What the scheduler looks at of a queued run.
struct QueuedRun {
  std::int64_t id = 0, priority = 0, sweep = 0, position = 0, slots = 1;
  std::string device;
  std::int64_t vram = 0;
};

// How many runs a sweep has, without those that were withdrawn.
struct SweepTally {
  std::int64_t cells = 0, rows = 0;
  std::map<std::string, std::int64_t> states;  // aliases left out
};

// A run that others wait behind.
struct ParentState {
  std::int64_t id = 0;
  RunState state = RunState::queued;
};

// A row of the queue as people are shown it.
struct QueueRow {
  std::string uid, name;
  std::int64_t sweep = 0;
  std::string sweep_name;
  std::string reason;
  std::int64_t priority = 0;
  struct Parent {
    std::string name;
    RunState state = RunState::queued;
  };
  std::optional<Parent> parent = {};
  std::optional<std::string> parent_choice = {};  // as RunRow's
};

// Runs that wait for the same parent to be chosen.
struct AwaitedChoice {
  std::int64_t sweep = 0;
  std::string parent_choice, parent_checkpoint;  // as RunRow's
  std::int64_t seed = 0;
};

// A run by the names that people type.
struct RunName {
  std::string sweep, name;
};

// A run behind a row of a study; an alias stands for the run it names.
struct StudyRun {
  std::int64_t id = 0;
  std::string name;
  RunState state = RunState::queued;
};

// The runs, over one connection and inside its transaction.
class RunStore {
 public:
  explicit RunStore(Connection& connection) : connection_(connection) {}

  std::int64_t insert(const RunRow& row);  // its id: larger than every one before
  // The common part of many rows' config and origins, for RunRow::shared_config; equal ones are
  // stored once.
  std::int64_t save_shared(const nlohmann::json& config, const nlohmann::json& origins);
  // Replaces definition and place (names, hashes, config, position) of a run that has not started,
  // not its life nor its links; writes nothing where they are the same.
  void redefine(const RunRow& known, const RunRow& row);
  void place(std::int64_t id, std::int64_t position);
  // Links to rows that may have been inserted after this one.
  void link(std::int64_t id, std::optional<std::int64_t> parent,
            std::optional<std::int64_t> alias_of);
  // The parent that was chosen, and the run_hash with it.
  void choose_parent(std::int64_t id, std::int64_t parent, const std::string& run_hash);
  void erase_alias(std::int64_t id);
  // The position behind the last run of a sweep.
  std::int64_t end_of(std::int64_t sweep);

  std::optional<RunRow> find(std::int64_t id);
  std::optional<RunRow> find_uid(const std::string& uid);
  RunRow need(std::int64_t id);             // Throws Error(internal).
  RunRow need_uid(const std::string& uid);  // Throws Error(not_found).
  std::vector<RunRow> all();                // in submit order
  std::vector<RunRow> of_sweep(std::int64_t sweep);
  SweepTally tally(std::int64_t sweep);
  // Each once, in the order of the file. Reads no documents.
  std::vector<StudyRun> of_study(std::int64_t sweep, const std::string& study);
  std::vector<RunRow> in_state(RunState state);  // aliases left out
  bool any_in(RunState state);
  // The parents of the runs in `state`. Reads no documents.
  std::vector<ParentState> parents_of(RunState state);
  // What the runs in `state` that have a parent to be chosen wait for, each once. Reads no
  // documents.
  std::vector<AwaitedChoice> choices_of(RunState state);
  // The runs in `state` behind this parent, behind this choice, or behind nothing; aliases left
  // out.
  std::vector<RunRow> behind(RunState state, std::int64_t parent);
  std::vector<RunRow> behind(RunState state, const AwaitedChoice& choice);
  std::vector<RunRow> behind_nothing(RunState state);
  // The queue, aliases left out: higher priority, older sweep, order in the file. Ends where
  // `visit` returns false; it must change no run.
  void each_queued(const std::function<bool(const QueuedRun&)>& visit);
  // The runs in `state` in that order, aliases left out, as people are shown them; likewise. Reads
  // no documents.
  void each_waiting(RunState state, const std::function<bool(const QueueRow&)>& visit);
  // Of the runs whose name, or sweep/name, begins with `prefix`; aliases as well.
  std::vector<RunName> names(const std::string& prefix);
  std::vector<RunRow> with_hash(const std::string& run_hash);
  // Whether a run with this hash is done.
  bool is_done(const std::string& run_hash);
  std::optional<RunRow> find_name(std::int64_t sweep, const std::string& name);

  // Moves `run` on and mirrors the new state in it. The guard stands in the WHERE: Error(conflict)
  // if the row has left `run.state` meanwhile, or if run_state.h forbids the move.
  void move(RunRow& run, const Move& move);

  void count_failure(RunRow& run, bool infrastructure, int by);
  void count_halving(RunRow& run);
  // A person's new start: generation + 1, budgets reset; `forget` drops the checkpoints as well,
  // and what is known of the micro batch.
  void renew(RunRow& run, bool forget);
  // A new start of a longer run: generation + 1, budgets reset.
  void extend(RunRow& run, const Extension& extension);
  // The next lease epoch, stored.
  std::int64_t next_epoch(RunRow& run);
  // Grants begin behind `epoch`.
  void raise_epoch(std::int64_t id, std::int64_t epoch);
  void set_source(std::int64_t id, std::int64_t source);
  void mark_started(std::int64_t id, std::int64_t now_ms);
  void set_progress(std::int64_t id, std::int64_t step, std::optional<std::int64_t> total_steps);
  void set_stage(std::int64_t id, const std::string& stage);
  void set_digests(std::int64_t id, const std::string& json);

 private:
  struct Shared {
    std::shared_ptr<const CommonJson> config, origins;
  };
  const Shared& shared(std::int64_t id);
  std::vector<RunRow> select(const std::string& where, const SqlValues& values);

  Connection& connection_;
  std::map<std::int64_t, Shared> shared_;  // rows of shared_config never change
};

}  // namespace sarsweep::coordinator
