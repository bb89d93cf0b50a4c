#include "coordinator/store/run_store.h"

#include <fmt/format.h>

#include "coordinator/store/event_store.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::coordinator {
namespace {

constexpr const char* kSelect = R"sql(
  SELECT r.id, r.uid, r.sweep, s.name, r.position, r.name, r.cell, r.label, r.study, r.seed,
         r.cell_hash, r.run_hash, r.judge_hash, r.alias_of, r.source_run, r.parent,
         r.parent_checkpoint, r.config, r.origins, r.axes, r.path_bases, r.priority, r.retries,
         r.state, r.reason, r.state_ms, r.not_before_ms, r.generation, r.lease_epoch,
         r.checkpoint_floor, r.user_failures, r.infra_failures, r.step, r.total_steps, r.stage,
         r.digests, r.created_ms, r.started_ms, r.finished_ms, r.parent_choice, r.shared_config,
         r.micro_halvings, r.forked, r.extended_from, r.slots, r.device, r.vram
    FROM run r JOIN sweep s ON s.id = r.sweep
)sql";
// Named, for without statistics SQLite prefers the index on the state and sorts whole rows.
constexpr const char* kQueue = R"sql(
  SELECT id, priority, sweep, position, slots, device, vram FROM run INDEXED BY run_queue
   WHERE state = 'queued' AND alias_of IS NULL ORDER BY priority DESC, sweep, position, id
)sql";
constexpr const char* kWaiting = R"sql(
  SELECT r.uid, r.name, r.sweep, s.name, r.reason, r.priority, p.name, p.state, r.parent_choice
    FROM run r {} JOIN sweep s ON s.id = r.sweep LEFT JOIN run p ON p.id = r.parent
   WHERE r.state = {} AND r.alias_of IS NULL ORDER BY r.priority DESC, r.sweep, r.position, r.id
)sql";
const std::string kInsert = R"sql(
  INSERT INTO run (position, name, cell, label, study, seed, cell_hash, run_hash, judge_hash,
                   parent_checkpoint, config, origins, axes, path_bases, priority, retries,
                   parent_choice, shared_config, slots, device, vram, alias_of, parent, uid, sweep,
                   source_run, state, reason, state_ms, created_ms, finished_ms, forked)
  VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
)sql";
constexpr const char* kOrder = " ORDER BY s.id, r.position, r.id";

RunState parsed_state(const std::string& text) {
  const std::optional<RunState> state = parse_run_state(text);
  if (!state) throw Error(ErrorCode::internal, "database: unknown run state '" + text + "'");
  return *state;
}

void read_definition(const Row& row, RunRow& run) {
  run.id = row.integer(0);
  run.uid = row.text(1);
  run.sweep = row.integer(2);
  run.sweep_name = row.text(3);
  run.position = row.integer(4);
  run.name = row.text(5);
  run.cell = row.text(6);
  run.label = row.text(7);
  run.study = row.text(8);
  run.seed = row.integer(9);
  run.cell_hash = row.text(10);
  run.run_hash = row.text(11);
  run.judge_hash = row.text(12);
  run.alias_of = row.maybe_integer(13);
  run.source_run = row.maybe_integer(14);
  run.parent = row.maybe_integer(15);
  run.parent_checkpoint = row.text(16);
  run.config.own = row.text(17);
  run.origins.own = row.text(18);
  run.axes = row.text(19);
  run.path_bases = row.text(20);
  run.priority = row.integer(21);
  run.retries = row.integer(22);
}

RunRow read_run(const Row& row) {
  RunRow run;
  read_definition(row, run);
  run.state = parsed_state(row.text(23));
  run.reason = row.text(24);
  run.state_ms = row.integer(25);
  run.not_before_ms = row.maybe_integer(26);
  run.generation = row.integer(27);
  run.lease_epoch = row.integer(28);
  run.checkpoint_floor = row.integer(29);
  run.user_failures = row.integer(30);
  run.infra_failures = row.integer(31);
  run.step = row.integer(32);
  run.total_steps = row.maybe_integer(33);
  run.stage = row.text(34);
  run.digests = row.maybe_text(35);
  run.created_ms = row.integer(36);
  run.started_ms = row.maybe_integer(37);
  run.finished_ms = row.maybe_integer(38);
  run.parent_choice = row.maybe_text(39);
  run.shared_config = row.maybe_integer(40);
  run.micro_halvings = row.integer(41);
  run.forked = row.integer(42) != 0;
  run.extended_from = row.maybe_text(43);
  run.slots = row.integer(44);
  run.device = row.text(45);
  run.vram = row.integer(46);
  return run;
}

// What the file says of a run, but for its links to other rows.
SqlValues definition(const RunRow& r) {
  constexpr std::size_t kColumns = 32;  // with those that insert() adds
  SqlValues values;
  values.reserve(kColumns);
  const auto add = [&values](auto&&... value) { (values.emplace_back(value), ...); };
  add(r.position, r.name, r.cell, r.label, r.study, r.seed, r.cell_hash, r.run_hash, r.judge_hash);
  add(r.parent_checkpoint, r.config.own, r.origins.own, r.axes, r.path_bases, r.priority);
  add(r.retries, sql(r.parent_choice), sql(r.shared_config), r.slots, r.device, r.vram);
  return values;
}

}  // namespace

std::int64_t RunStore::insert(const RunRow& row) {
  SqlValues values = definition(row);
  const auto add = [&values](auto&&... value) { (values.emplace_back(value), ...); };
  add(sql(row.alias_of), sql(row.parent), row.uid, row.sweep, sql(row.source_run));
  add(std::string(to_string(row.state)), row.reason, row.created_ms, row.created_ms);
  add(sql(row.finished_ms), static_cast<std::int64_t>(row.forked));
  // A row to a statement: of one for several, SQLite keeps every page that it touches.
  connection_.change(kInsert, values);
  return connection_.last_id();
}

std::int64_t RunStore::save_shared(const nlohmann::json& config, const nlohmann::json& origins) {
  const std::string digest = sha256(canonical_json({config, origins}));
  connection_.change(
      "INSERT INTO shared_config (digest, config, origins) VALUES (?1, ?2, ?3)"
      " ON CONFLICT DO NOTHING",
      {digest, config.dump(), origins.dump()});
  return connection_.integer("SELECT id FROM shared_config WHERE digest = ?1", {digest}).value();
}

const RunStore::Shared& RunStore::shared(std::int64_t id) {
  const auto [place, fresh] = shared_.try_emplace(id);
  Shared& shared = place->second;  // Clang 14 cannot capture a binding
  if (!fresh) return shared;
  connection_.each("SELECT config, origins FROM shared_config WHERE id = ?1", {id},
                   [&](const Row& row) {
                     shared = {std::make_shared<const CommonJson>(row.text(0)),
                               std::make_shared<const CommonJson>(row.text(1))};
                   });
  return shared;
}

void RunStore::redefine(const RunRow& known, const RunRow& row) {
  SqlValues values = definition(row);
  if (values == definition(known)) return;
  values.emplace_back(known.id);
  connection_.change(R"sql(
    UPDATE run SET position = ?1, name = ?2, cell = ?3, label = ?4, study = ?5, seed = ?6,
           cell_hash = ?7, run_hash = ?8, judge_hash = ?9, parent_checkpoint = ?10, config = ?11,
           origins = ?12, axes = ?13, path_bases = ?14, priority = ?15, retries = ?16,
           parent_choice = ?17, shared_config = ?18, slots = ?19, device = ?20, vram = ?21
     WHERE id = ?22 AND lease_epoch = 0)sql",
                     values);
}

void RunStore::place(std::int64_t id, std::int64_t position) {
  connection_.change("UPDATE run SET position = ?2 WHERE id = ?1", {id, position});
}

void RunStore::link(std::int64_t id, std::optional<std::int64_t> parent,
                    std::optional<std::int64_t> alias_of) {
  connection_.change("UPDATE run SET parent = ?2, alias_of = ?3 WHERE id = ?1 AND lease_epoch = 0",
                     {id, sql(parent), sql(alias_of)});
}

void RunStore::choose_parent(std::int64_t id, std::int64_t parent, const std::string& run_hash) {
  connection_.change("UPDATE run SET parent = ?2, run_hash = ?3 WHERE id = ?1 AND lease_epoch = 0",
                     {id, parent, run_hash});
}

void RunStore::erase_alias(std::int64_t id) {
  connection_.change("DELETE FROM event WHERE run = ?1", {id});
  connection_.change("DELETE FROM run WHERE id = ?1 AND alias_of IS NOT NULL", {id});
}

std::int64_t RunStore::end_of(std::int64_t sweep) {
  return connection_.integer("SELECT MAX(position) FROM run WHERE sweep = ?1", {sweep})
             .value_or(-1) +
         1;
}

std::vector<RunRow> RunStore::select(const std::string& where, const SqlValues& values) {
  std::vector<RunRow> rows;
  connection_.each(kSelect + where + kOrder, values,
                   [&](const Row& row) { rows.push_back(read_run(row)); });
  for (RunRow& run : rows) {
    if (!run.shared_config) continue;
    const Shared& common = shared(*run.shared_config);
    run.config.common = common.config;
    run.origins.common = common.origins;
  }
  return rows;
}

std::optional<RunRow> RunStore::find(std::int64_t id) {
  std::vector<RunRow> rows = select("WHERE r.id = ?1", {id});
  if (rows.empty()) return std::nullopt;
  return rows.front();
}

std::optional<RunRow> RunStore::find_uid(const std::string& uid) {
  std::vector<RunRow> rows = select("WHERE r.uid = ?1", {uid});
  if (rows.empty()) return std::nullopt;
  return rows.front();
}

RunRow RunStore::need(std::int64_t id) {
  std::optional<RunRow> run = find(id);
  if (!run) throw Error(ErrorCode::internal, fmt::format("database: run {} is missing", id));
  return *run;
}

RunRow RunStore::need_uid(const std::string& uid) {
  std::optional<RunRow> run = find_uid(uid);
  if (!run) throw Error(ErrorCode::not_found, "no run has the id '" + uid + "'", "run_id");
  return *run;
}

std::vector<RunRow> RunStore::all() { return select("", {}); }
std::vector<RunRow> RunStore::of_sweep(std::int64_t sweep) {
  return select("WHERE r.sweep = ?1", {sweep});
}
SweepTally RunStore::tally(std::int64_t sweep) {
  SweepTally tally;
  connection_.each(
      "SELECT COUNT(*), COUNT(DISTINCT cell) FROM run"
      " WHERE sweep = ?1 AND NOT (state = 'cancelled' AND reason = 'withdrawn')",
      {sweep}, [&](const Row& row) {
        tally.rows = row.integer(0);
        tally.cells = row.integer(1);
      });
  connection_.each(
      "SELECT state, COUNT(*) FROM run WHERE sweep = ?1 AND alias_of IS NULL"
      " AND NOT (state = 'cancelled' AND reason = 'withdrawn') GROUP BY state",
      {sweep}, [&](const Row& row) { tally.states[row.text(0)] = row.integer(1); });
  return tally;
}
std::vector<StudyRun> RunStore::of_study(std::int64_t sweep, const std::string& study) {
  std::vector<StudyRun> runs;
  connection_.each(R"sql(
    SELECT t.id, t.name, t.state FROM run r JOIN run t ON t.id = COALESCE(r.alias_of, r.id)
     WHERE r.sweep = ?1 AND r.study = ?2 GROUP BY t.id ORDER BY MIN(r.position), t.id)sql",
                   {sweep, study}, [&](const Row& row) {
                     runs.push_back({row.integer(0), row.text(1), parsed_state(row.text(2))});
                   });
  return runs;
}
std::vector<RunRow> RunStore::in_state(RunState state) {
  return select("WHERE r.state = ?1 AND r.alias_of IS NULL", {std::string(to_string(state))});
}
bool RunStore::any_in(RunState state) {
  return connection_
      .integer("SELECT 1 FROM run WHERE state = ?1 LIMIT 1", {std::string(to_string(state))})
      .has_value();
}
bool RunStore::is_done(const std::string& run_hash) {
  return connection_
      .integer(
          "SELECT 1 FROM run WHERE run_hash = ?1 AND state = 'done' AND alias_of IS NULL"
          " LIMIT 1",
          {run_hash})
      .has_value();
}
std::vector<RunRow> RunStore::with_hash(const std::string& run_hash) {
  return select("WHERE r.run_hash = ?1 AND r.alias_of IS NULL", {run_hash});
}
std::vector<ParentState> RunStore::parents_of(RunState state) {
  std::vector<ParentState> parents;
  connection_.each(R"sql(
    SELECT p.id, p.state FROM (SELECT DISTINCT parent FROM run
                                WHERE state = ?1 AND alias_of IS NULL AND parent IS NOT NULL) b
      JOIN run p ON p.id = b.parent)sql",
                   {std::string(to_string(state))}, [&](const Row& row) {
                     parents.push_back({row.integer(0), parsed_state(row.text(1))});
                   });
  return parents;
}
std::vector<AwaitedChoice> RunStore::choices_of(RunState state) {
  std::vector<AwaitedChoice> choices;
  connection_.each(R"sql(
    SELECT DISTINCT sweep, parent_choice, parent_checkpoint, seed FROM run INDEXED BY run_by_choice
     WHERE state = ?1 AND alias_of IS NULL AND parent IS NULL AND parent_choice IS NOT NULL)sql",
                   {std::string(to_string(state))}, [&](const Row& row) {
                     choices.push_back({row.integer(0), row.text(1), row.text(2), row.integer(3)});
                   });
  return choices;
}
std::vector<RunRow> RunStore::behind(RunState state, std::int64_t parent) {
  return select("WHERE r.state = ?1 AND r.alias_of IS NULL AND r.parent = ?2",
                {std::string(to_string(state)), parent});
}
std::vector<RunRow> RunStore::behind(RunState state, const AwaitedChoice& choice) {
  return select(
      "WHERE r.state = ?1 AND r.alias_of IS NULL AND r.parent IS NULL AND r.sweep = ?2"
      " AND r.parent_choice = ?3 AND r.parent_checkpoint = ?4 AND r.seed = ?5",
      {std::string(to_string(state)), choice.sweep, choice.parent_choice, choice.parent_checkpoint,
       choice.seed});
}
std::vector<RunRow> RunStore::behind_nothing(RunState state) {
  return select(
      "WHERE r.state = ?1 AND r.alias_of IS NULL AND r.parent IS NULL AND r.parent_choice IS NULL",
      {std::string(to_string(state))});
}
void RunStore::each_queued(const std::function<bool(const QueuedRun&)>& visit) {
  connection_.each_while(kQueue, {}, [&](const Row& row) {
    return visit({row.integer(0), row.integer(1), row.integer(2), row.integer(3), row.integer(4),
                  row.text(5), row.integer(6)});
  });
}
void RunStore::each_waiting(RunState state, const std::function<bool(const QueueRow&)>& visit) {
  const auto show = [&](const Row& row) {
    QueueRow run{row.text(0),    row.text(1), row.integer(2),   row.text(3), row.text(4),
                 row.integer(5), {},          row.maybe_text(8)};
    if (!row.null(6)) run.parent = {row.text(6), parsed_state(row.text(7))};
    return visit(run);
  };
  if (state == RunState::queued) {
    connection_.each_while(fmt::format(kWaiting, "INDEXED BY run_queue", "'queued'"), {}, show);
  } else {
    connection_.each_while(fmt::format(kWaiting, "", "?1"), {std::string(to_string(state))}, show);
  }
}
std::vector<RunName> RunStore::names(const std::string& prefix) {
  std::vector<RunName> names;
  connection_.each(R"sql(
    SELECT s.name, r.name FROM sweep s JOIN run r ON r.sweep = s.id
     WHERE substr(r.name, 1, length(?1)) = ?1 OR substr(s.name || '/' || r.name, 1, length(?1)) = ?1
     ORDER BY s.id, r.name)sql",
                   {prefix}, [&](const Row& row) {
                     names.push_back({row.text(0), row.text(1)});
                   });
  return names;
}
std::optional<RunRow> RunStore::find_name(std::int64_t sweep, const std::string& name) {
  std::vector<RunRow> rows = select("WHERE r.sweep = ?1 AND r.name = ?2", {sweep, name});
  if (rows.empty()) return std::nullopt;
  return rows.front();
}

void RunStore::move(RunRow& run, const Move& move) {
  const std::string from(to_string(run.state));
  const std::string to(to_string(move.to));
  if (!can_move(run.state, move.to)) {
    throw Error(ErrorCode::conflict, fmt::format("{} cannot go from {} to {}", run.name, from, to));
  }
  const bool over = is_terminal(move.to);
  const std::int64_t changed = connection_.change(
      "UPDATE run SET state = ?3, reason = ?4, state_ms = ?5, not_before_ms = ?6,"
      " finished_ms = CASE WHEN ?7 THEN ?5 ELSE NULL END WHERE id = ?1 AND state = ?2",
      {run.id, from, to, move.reason, move.now_ms, sql(move.not_before_ms),
       static_cast<std::int64_t>(over)});
  if (changed != 1) {
    throw Error(ErrorCode::conflict, fmt::format("{} is no longer {}", run.name, from));
  }
  EventStore(connection_)
      .add({run.id, move.now_ms, move.actor, to,
            move.reason.empty() ? "was " + from : fmt::format("was {}: {}", from, move.reason)});
  run.state = move.to;
  run.reason = move.reason;
  run.state_ms = move.now_ms;
  run.not_before_ms = move.not_before_ms;
  run.finished_ms = over ? std::optional(move.now_ms) : std::nullopt;
}

void RunStore::count_failure(RunRow& run, bool infrastructure, int by) {
  (infrastructure ? run.infra_failures : run.user_failures) += by;
  connection_.change("UPDATE run SET user_failures = ?2, infra_failures = ?3 WHERE id = ?1",
                     {run.id, run.user_failures, run.infra_failures});
}

void RunStore::count_halving(RunRow& run) {
  run.micro_halvings += 1;
  connection_.change("UPDATE run SET micro_halvings = ?2 WHERE id = ?1",
                     {run.id, run.micro_halvings});
}

void RunStore::renew(RunRow& run, bool forget) {
  run.generation += 1;
  run.user_failures = run.infra_failures = 0;
  if (forget) {
    run.checkpoint_floor = run.lease_epoch + 1;
    run.micro_halvings = 0;
  }
  connection_.change(
      "UPDATE run SET generation = ?2, user_failures = 0, infra_failures = 0, checkpoint_floor = "
      "?3,"
      " step = CASE WHEN ?4 THEN 0 ELSE step END, source_run = NULL, micro_halvings = ?5"
      " WHERE id = ?1",
      {run.id, run.generation, run.checkpoint_floor, static_cast<std::int64_t>(forget),
       run.micro_halvings});
}

void RunStore::extend(RunRow& run, const Extension& extension) {
  connection_.change(
      "UPDATE run SET config = ?2, origins = ?3, shared_config = NULL, run_hash = ?4,"
      " extended_from = COALESCE(extended_from, run_hash), total_steps = ?5,"
      " generation = generation + 1, user_failures = 0, infra_failures = 0, finished_ms = NULL"
      " WHERE id = ?1",
      {run.id, extension.config, extension.origins, extension.run_hash, extension.total_steps});
  run = need(run.id);
}

std::int64_t RunStore::next_epoch(RunRow& run) {
  run.lease_epoch += 1;
  connection_.change("UPDATE run SET lease_epoch = ?2 WHERE id = ?1", {run.id, run.lease_epoch});
  return run.lease_epoch;
}

void RunStore::raise_epoch(std::int64_t id, std::int64_t epoch) {
  connection_.change("UPDATE run SET lease_epoch = MAX(lease_epoch, ?2) WHERE id = ?1",
                     {id, epoch});
}

void RunStore::set_source(std::int64_t id, std::int64_t source) {
  connection_.change("UPDATE run SET source_run = ?2 WHERE id = ?1", {id, source});
}

void RunStore::mark_started(std::int64_t id, std::int64_t now_ms) {
  connection_.change("UPDATE run SET started_ms = COALESCE(started_ms, ?2) WHERE id = ?1",
                     {id, now_ms});
}

void RunStore::set_progress(std::int64_t id, std::int64_t step,
                            std::optional<std::int64_t> total_steps) {
  connection_.change(
      "UPDATE run SET step = ?2, total_steps = COALESCE(?3, total_steps) WHERE id = ?1",
      {id, step, sql(total_steps)});
}

void RunStore::set_stage(std::int64_t id, const std::string& stage) {
  connection_.change("UPDATE run SET stage = ?2 WHERE id = ?1", {id, stage});
}

void RunStore::set_digests(std::int64_t id, const std::string& json) {
  connection_.change("UPDATE run SET digests = ?2 WHERE id = ?1", {id, json});
}

}  // namespace sarsweep::coordinator
