#include "coordinator/core/run_views.h"

#include <algorithm>
#include <cmath>

#include "coordinator/core/holds.h"
#include "coordinator/store/attempt_store.h"
#include "coordinator/store/event_store.h"
#include "coordinator/store/metric_store.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

constexpr std::int64_t kShownEvents = 500;

json maybe(const std::optional<std::int64_t>& value) {
  return value ? json(*value) : json(nullptr);
}

json name_of(RunStore& runs, const std::optional<std::int64_t>& id) {
  return id ? json(runs.need(*id).name) : json(nullptr);
}

json uid_of(RunStore& runs, const std::optional<std::int64_t>& id) {
  return id ? json(runs.need(*id).uid) : json(nullptr);
}

json last_metrics(Connection& connection, std::int64_t run) {
  MetricStore metrics(connection);
  json out = json::object();
  for (const std::string& key : metrics.keys(run)) {
    const std::optional<MetricPoint> point = metrics.last(run, key);
    if (point) out[key] = number_json(point->value);
  }
  return out;
}

// Seconds to the last step at the attempt's own pace; null until it has made a step.
json eta_of(const Core& core, const RunRow& data, const std::optional<AttemptRow>& attempt) {
  if (!attempt || attempt->end || !attempt->started_ms || !data.total_steps) return nullptr;
  const std::int64_t begun = std::max<std::int64_t>(attempt->resume_step, 0);
  if (data.step <= begun) return nullptr;
  const double seconds = static_cast<double>(core.now_ms() - *attempt->started_ms) / 1000;
  const auto left = static_cast<double>(std::max<std::int64_t>(*data.total_steps - data.step, 0));
  return seconds / static_cast<double>(data.step - begun) * left;
}

json progress_of(const RunRow& data) {
  if (!data.total_steps) return nullptr;
  if (*data.total_steps <= 0) return data.state == RunState::done ? 1.0 : 0.0;
  const double done = static_cast<double>(data.step) / static_cast<double>(*data.total_steps);
  return std::clamp(done, 0.0, 1.0);
}

json attempts_json(Connection& connection, std::int64_t run) {
  json out = json::array();
  for (const AttemptRow& attempt : AttemptStore(connection).of_run(run)) {
    out.push_back({{"attempt", attempt.epoch},
                   {"lease_epoch", attempt.epoch},
                   {"worker", attempt.worker_name},
                   {"started_ms", maybe(attempt.started_ms)},
                   {"finished_ms", maybe(attempt.finished_ms)},
                   {"end", attempt.end ? json(to_string(*attempt.end)) : json(nullptr)},
                   {"exit_code", maybe(attempt.exit_code)},
                   {"reason", attempt.reason},
                   {"resume_step", std::max<std::int64_t>(attempt.resume_step, 0)}});
  }
  return out;
}

std::string reason_of(Connection& connection, const RunRow& run) {
  if (run.state != RunState::queued) return run.reason;
  const std::string held = held_remark(connection, run.sweep);
  return held.empty() ? run.reason : held;
}

json lineage_of(Connection& connection, const RunRow& run) {
  RunStore runs(connection);
  json children = json::array();
  connection.each("SELECT uid FROM run WHERE parent = ?1 ORDER BY id", {run.id},
                  [&](const Row& row) { children.push_back(row.text(0)); });
  json parent = nullptr;
  if (run.parent) {
    const RunRow row = runs.need(*run.parent);
    parent = {{"id", row.uid},
              {"name", row.name},
              {"sweep", row.sweep_name},
              {"checkpoint", run.parent_checkpoint}};
  }
  const json best = run.parent_choice ? json::parse(*run.parent_choice) : json(nullptr);
  return {{"parent", parent},
          {"best_of", best},
          {"children", children},
          {"generation", run.generation}};
}

json events_json(Connection& connection, std::int64_t run) {
  json out = json::array();
  for (const EventRow& event : EventStore(connection).of_run(run, 0, kShownEvents)) {
    out.push_back({{"seq", event.seq},
                   {"t_ms", event.t_ms},
                   {"actor", event.actor},
                   {"what", event.what},
                   {"detail", event.detail}});
  }
  return out;
}

}  // namespace

json number_json(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

json run_document(const Core& core, Connection& connection, const RunRow& run) {
  RunStore runs(connection);
  const RunRow life = run.alias_of ? runs.need(*run.alias_of) : run;
  const RunRow data = life.source_run ? runs.need(*life.source_run) : life;
  const auto attempt = AttemptStore(connection).find(data.id, data.lease_epoch);
  const bool held = is_held(life.state) && attempt;
  return {{"id", run.uid},
          {"name", run.name},
          {"cell", run.cell},
          {"label", run.label},
          {"sweep", run.sweep_name},
          {"study", run.study},
          {"seed", run.seed},
          {"state", to_string(life.state)},
          {"attempt", data.lease_epoch},
          {"step", data.step},
          {"total_steps", maybe(data.total_steps)},
          {"progress", progress_of(data)},
          {"eta_s", eta_of(core, data, attempt)},
          {"worker", held ? json(attempt->worker_name) : json(nullptr)},
          {"reason", reason_of(connection, life)},
          {"alias_of", name_of(runs, run.alias_of)},
          {"source_run", uid_of(runs, life.source_run)},
          {"stage", data.stage},
          {"created_ms", run.created_ms},
          {"started_ms", maybe(data.started_ms)},
          {"finished_ms", maybe(life.finished_ms)},
          {"metrics", last_metrics(connection, data.id)}};
}

json run_detail(const Core& core, Connection& connection, const RunRow& run) {
  RunStore runs(connection);
  json document = run_document(core, connection, run);
  const std::int64_t life = run.alias_of.value_or(run.id);
  document["config"] = run.config.whole();
  document["origins"] = run.origins.whole();
  document["axes"] = json::parse(run.axes);
  document["attempts"] = attempts_json(connection, runs.need(life).data_run());
  document["lineage"] = lineage_of(connection, run);
  document["events"] = events_json(connection, life);
  return document;
}

}  // namespace sarsweep::coordinator
