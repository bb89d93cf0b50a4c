#include "coordinator/core/submit.h"

#include <fmt/format.h>

#include <map>

#include "coordinator/core/families.h"
#include "coordinator/core/holds.h"
#include "coordinator/core/planned_row.h"
#include "coordinator/core/sweep_diff.h"
#include "coordinator/store/event_store.h"
#include "coordinator/store/hold_store.h"
#include "coordinator/store/sweep_store.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

json diagnostics_json(const std::vector<Diagnostic>& diagnostics) {
  json out = json::array();
  for (const Diagnostic& diagnostic : diagnostics) out.push_back(diagnostic);
  return out;
}

json counts_of(const ExpandedSweep& expanded, const SweepDiff& diff) {
  std::map<PlanAction, std::int64_t> n;
  for (const DiffRow& row : diff.rows) ++n[row.action];
  return {{"cells", expanded.cells},
          {"rows", expanded.runs.size()},
          {"distinct_cells", expanded.distinct_cells},
          {"trainings", expanded.trainings},
          {"new", n[PlanAction::fresh]},
          {"kept", n[PlanAction::kept]},
          {"cached", n[PlanAction::cached]},
          {"withdrawn", diff.withdrawn.size()}};
}

json parent_name(const ExpandedSweep& expanded, const PlannedRun& run, const DiffRow& row) {
  if (run.parent && run.parent->best) {
    return sweep::rank_name(run.parent->best->study, run.parent->best->index);
  }
  if (row.parent_index) return expanded.runs[*row.parent_index].name;
  if (row.parent_run) return row.parent_run->full_name();
  return nullptr;
}

json plan_row(const ExpandedSweep& expanded, std::size_t i, const DiffRow& row) {
  const PlannedRun& run = expanded.runs[i];
  return {{"name", run.name},
          {"cell", run.cell},
          {"label", run.label},
          {"study", run.study},
          {"seed", run.seed},
          {"cell_hash", run.cell_hash},
          {"run_hash", row.run_hash.empty() ? run.run_hash : row.run_hash},
          {"action", to_string(row.action)},
          {"alias_of", run.alias_of ? json(*run.alias_of) : json(nullptr)},
          {"source_run", row.source ? json(row.source->uid) : json(nullptr)},
          {"parent", parent_name(expanded, run, row)},
          {"config", run.config.flat()}};
}

json withdrawn_row(const RunRow& run) {
  return {{"name", run.name},         {"cell", run.cell},
          {"label", run.label},       {"study", run.study},
          {"seed", run.seed},         {"cell_hash", run.cell_hash},
          {"run_hash", run.run_hash}, {"action", to_string(PlanAction::withdrawn)},
          {"alias_of", nullptr},      {"source_run", nullptr},
          {"parent", nullptr},        {"config", run.config.whole()}};
}

// Takes from `common` what `other` lacks or holds otherwise.
void keep_equal(json& common, const json& other) {
  for (auto at = common.begin(); at != common.end();) {
    const auto found = other.find(at.key());
    at = found != other.end() && *found == at.value() ? std::next(at) : common.erase(at);
  }
}

// What the runs of a file say alike of where their values come from, and what each says beyond it.
// Neighbours say the same, which is looked at once.
class SharedOrigins {
 public:
  void take(const std::vector<PlannedRun>& runs) {
    common_ = runs.front().origins.is_null() ? json::object() : runs.front().origins.json();
    const config::Value* last = nullptr;
    for (const PlannedRun& run : runs) {
      if (last != nullptr && run.origins == *last) continue;
      keep_equal(common_, run.origins.is_null() ? json::object() : run.origins.json());
      last = &run.origins;
    }
  }
  const json& common() const { return common_; }
  const std::string& beyond(const PlannedRun& run) {
    if (last_ != nullptr && run.origins == *last_) return text_;
    json rest = json::object();
    for (const auto& [field, origin] : run.origins.json().items()) {
      if (!common_.contains(field)) rest[field] = origin;
    }
    text_ = rest.dump();
    last_ = &run.origins;
    return text_;
  }

 private:
  json common_ = json::object();
  const config::Value* last_ = nullptr;
  std::string text_ = "{}";
};

// Writes one comparison into the store.
class Submission {
 public:
  Submission(Core& core, Connection& connection, const SubmitRequest& request,
             const ExpandedSweep& expanded)
      : core_(core),
        connection_(connection),
        runs_(connection),
        request_(request),
        expanded_(expanded) {}

  json apply(const SweepDiff& diff) {
    sweep_ = SweepStore(connection_)
                 .save({.name = expanded_.name,
                        .description = expanded_.description,
                        .objective_metric = expanded_.objective_metric,
                        .objective_goal = expanded_.objective_goal,
                        .report = json(expanded_.report).dump(),
                        .studies = json(expanded_.studies).dump(),
                        .baselines = expanded_.baselines.dump(),
                        .text = request_.source.text,
                        .file = request_.source.file,
                        .created_ms = core_.now_ms()});
    limit();
    share();
    store_rows(diff);
    for (std::size_t i = 0; i < diff.rows.size(); ++i) link_row(i, diff);
    for (const RunRow& run : diff.withdrawn) withdraw(run);
    for (const RunRow& run : diff.lost_aliases) runs_.erase_alias(run.id);
    settle_families(connection_, core_.now_ms());
    const json counts = counts_of(expanded_, diff);
    json names = json::array();
    for (const PlannedRun& run : expanded_.runs) names.push_back(run.name);
    return {{"sweep", expanded_.name},
            {"url", ""},
            {"created", counts["new"]},
            {"kept", counts["kept"]},
            {"withdrawn", counts["withdrawn"]},
            {"cached", counts["cached"]},
            {"runs", names},
            {"diagnostics", diagnostics_json(expanded_.diagnostics)}};
  }

 private:
  // What every run of the file holds alike is stored once.
  void share() {
    if (expanded_.runs.empty()) return;
    common_config_ = expanded_.runs.front().config;
    for (const PlannedRun& run : expanded_.runs) common_config_.keep_equal(run.config);
    origins_.take(expanded_.runs);
    shared_config_ = runs_.save_shared(common_config_.flat(), origins_.common());
  }

  // A file that raises a limit lets a held sweep go on.
  void limit() {
    HoldStore holds(connection_);
    const std::optional<SweepHold> before = holds.find(sweep_);
    const bool same = before && before->gpu_hours == expanded_.gpu_hours &&
                      before->max_failures == expanded_.max_failures;
    if (same) return;
    holds.set_limits(sweep_, expanded_.gpu_hours, expanded_.max_failures);
    if (before && !before->held.empty()) holds.hold(sweep_, "");
    hold_what_is_over(connection_, core_.now_ms());
  }

  RunRow definition(std::size_t i, const DiffRow& row) {
    const PlannedRun& planned = expanded_.runs[i];
    RunRow run = row_of(planned, core_.now_ms());
    run.sweep = sweep_;
    run.position = static_cast<std::int64_t>(i);
    run.run_hash = row.run_hash;
    run.config.own = planned.config.text_beyond(common_config_);
    run.origins.own = origins_.beyond(planned);
    run.shared_config = shared_config_;
    return run;
  }

  void store_rows(const SweepDiff& diff) {
    std::optional<std::int64_t> first;  // of those that are new
    for (std::size_t i = 0; i < diff.rows.size(); ++i) {
      const DiffRow& row = diff.rows[i];
      RunRow run = definition(i, row);
      if (row.existing) {
        ids_.push_back(update_row(*row.existing, run, row));
        continue;
      }
      if (row.source) take_results(run, *row.source);
      ids_.push_back(runs_.insert(run));
      if (!first) first = ids_.back();
    }
    if (first) EventStore(connection_).add_submitted(sweep_, *first, request_.actor);
  }

  static void take_results(RunRow& run, const RunRow& source) {
    run.state = RunState::done;
    run.source_run = source.id;
    run.reason = "cached: " + source.full_name();
    run.finished_ms = run.created_ms;
  }

  // What has not started takes the file's new word; what has started keeps its own.
  std::int64_t update_row(RunRow existing, const RunRow& run, const DiffRow& row) {
    if (existing.never_started()) {
      runs_.redefine(existing, run);
    } else if (existing.position != run.position) {
      runs_.place(existing.id, run.position);
    }
    if (row.action == PlanAction::kept) return existing.id;
    if (row.action == PlanAction::fresh && existing.state == RunState::cancelled &&
        existing.reason == "withdrawn") {
      runs_.renew(existing, false);
      runs_.move(existing, {.to = run.state, .actor = request_.actor, .now_ms = core_.now_ms()});
    }
    // One that has lost its parent, or was an alias, is queued by settle_families().
    const bool must_wait = existing.never_started() && run.state == RunState::waiting;
    if (must_wait && existing.state == RunState::queued) {
      runs_.move(existing, {.to = run.state, .actor = request_.actor, .now_ms = core_.now_ms()});
    }
    return existing.id;
  }

  void link_row(std::size_t i, const SweepDiff& diff) {
    const DiffRow& row = diff.rows[i];
    std::optional<std::int64_t> parent, alias;
    if (row.parent_index) {
      const std::optional<std::size_t> target = diff.rows[*row.parent_index].alias_index;
      parent = ids_[target.value_or(*row.parent_index)];
    } else if (row.parent_run) {
      parent = row.parent_run->id;
    }
    if (row.action == PlanAction::alias) alias = ids_[*row.alias_index];
    const bool inserted_so = !row.existing && !parent && !alias;
    const bool as_before =
        row.existing && row.existing->parent == parent && row.existing->alias_of == alias;
    if (inserted_so || as_before) return;
    runs_.link(ids_[i], parent, alias);
  }

  void withdraw(RunRow run) {
    const RunState to = is_held(run.state) ? RunState::cancelling : RunState::cancelled;
    if (run.state == to) return;
    runs_.move(
        run, {.to = to, .actor = request_.actor, .reason = "withdrawn", .now_ms = core_.now_ms()});
  }

  Core& core_;
  Connection& connection_;
  RunStore runs_;
  const SubmitRequest& request_;
  const ExpandedSweep& expanded_;
  std::int64_t sweep_ = 0;
  config::RunValues common_config_;
  SharedOrigins origins_;
  std::optional<std::int64_t> shared_config_;
  std::vector<std::int64_t> ids_;
};

[[noreturn]] void refuse(const std::vector<Diagnostic>& diagnostics, json* problems) {
  if (problems != nullptr) *problems = {{"diagnostics", diagnostics_json(diagnostics)}};
  throw Error(ErrorCode::invalid,
              fmt::format("the sweep has {} problem{}; nothing was submitted", diagnostics.size(),
                          diagnostics.size() == 1 ? "" : "s"));
}

// Nothing is withdrawn behind its owner's back.
void ask_before_withdrawing(const SweepDiff& diff, const SweepSource& source, json* problems) {
  if (diff.withdrawn.empty() || source.withdraw) return;
  json names = json::array();
  for (const RunRow& run : diff.withdrawn) names.push_back(run.name);
  if (problems != nullptr) *problems = {{"withdraws", names}};
  throw Error(ErrorCode::conflict,
              fmt::format("{} run{} left the file and would be withdrawn; say withdraw: true",
                          names.size(), names.size() == 1 ? "" : "s"),
              "withdraw");
}

json submit_within(Core& core, Connection& connection, const SubmitRequest& request,
                   const ExpandedSweep& expanded, json* problems) {
  SweepStore sweeps(connection);
  const std::string digest = sha256(json(request.source).dump());
  if (!request.idempotency_key.empty()) {
    if (const auto known = sweeps.find_submission(request.idempotency_key)) {
      if (known->digest == digest) return json::parse(known->reply);
      throw Error(ErrorCode::conflict,
                  "this Idempotency-Key was used for another submit; choose a new one");
    }
  }
  const SweepDiff diff = compare(connection, expanded, request.source);
  if (!diff.problems.empty()) refuse(diff.problems, problems);
  ask_before_withdrawing(diff, request.source, problems);
  json reply = Submission(core, connection, request, expanded).apply(diff);
  if (!request.idempotency_key.empty()) {
    sweeps.save_submission(request.idempotency_key, {digest, reply.dump()}, core.now_ms());
  }
  return reply;
}

}  // namespace

json plan_sweep(Core& core, const SweepSource& source) {
  const ExpandedSweep expanded = core.language.expand(source);
  std::vector<Diagnostic> diagnostics = expanded.diagnostics;
  SweepDiff diff;
  if (!expanded.has_errors()) {
    diff = core.database.read([&](Connection& c) { return compare(c, expanded, source); });
    diagnostics.insert(diagnostics.end(), diff.problems.begin(), diff.problems.end());
  }
  json rows = json::array();
  for (std::size_t i = 0; i < diff.rows.size(); ++i) {
    rows.push_back(plan_row(expanded, i, diff.rows[i]));
  }
  for (const RunRow& run : diff.withdrawn) rows.push_back(withdrawn_row(run));
  json document = {{"sweep", expanded.name},
                   {"counts", counts_of(expanded, diff)},
                   {"runs", rows},
                   {"estimate", {{"gpu_hours", nullptr}, {"disk_bytes", nullptr}}},
                   {"diagnostics", diagnostics_json(diagnostics)}};
  if (!expanded.needs_files.empty()) document["needs_files"] = expanded.needs_files;
  return document;
}

json submit_sweep(Core& core, const SubmitRequest& request, json* problems) {
  const ExpandedSweep expanded = core.language.expand(request.source);
  if (!expanded.needs_files.empty()) {
    if (problems != nullptr) *problems = {{"needs_files", expanded.needs_files}};
    throw Error(ErrorCode::invalid, "the sweep names prompt files that were not sent");
  }
  if (expanded.has_errors()) refuse(expanded.diagnostics, problems);
  return core.database.write(Urgency::state, [&](Connection& c) {
    return submit_within(core, c, request, expanded, problems);
  });
}

}  // namespace sarsweep::coordinator
