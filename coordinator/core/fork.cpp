#include "coordinator/core/fork.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "coordinator/core/families.h"
#include "coordinator/core/planned_row.h"
#include "coordinator/store/checkpoint_store.h"
#include "coordinator/store/event_store.h"
#include "coordinator/store/run_store.h"
#include "coordinator/sweep/labels.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestLabel = 60;  // bytes; a table has other columns, too

// NAME-fork, NAME-fork-2, …
std::string free_name(RunStore& runs, const RunRow& parent) {
  std::string name = parent.name + "-fork";
  for (int n = 2; runs.find_name(parent.sweep, name); ++n) {
    name = fmt::format("{}-fork-{}", parent.name, n);
  }
  return name;
}

CheckpointRow checkpoint_of(Connection& connection, const RunRow& parent,
                            const std::optional<std::int64_t>& step) {
  const std::vector<CheckpointRow> rows = CheckpointStore(connection).of_run(parent.data_run());
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const CheckpointRow& row) {
    return !step || row.step == *step;
  });
  if (found != rows.end()) return *found;
  if (rows.empty()) {
    throw Error(ErrorCode::conflict,
                parent.name + " has saved no checkpoint yet; fork it once it has");
  }
  std::string steps;
  for (const CheckpointRow& row : rows) steps += fmt::format(" {}", row.step);
  throw Error(ErrorCode::conflict,
              fmt::format("{} has no checkpoint at step {}; it has:{}", parent.name, *step, steps),
              "step");
}

// A sweep of the fork alone, in the language: what may stand in a file may be set here, and what is
// wrong is said in the same words. Its parent lies outside.
SweepSource as_sweep(const RunRow& parent, const std::string& name, const ForkRequest& request) {
  json config = json::object();
  const json whole = parent.config.whole();
  for (const auto& [field, value] : whole.items()) {
    if (!value.is_null()) config[field] = value;
  }
  config["model.path"] = {{"run", parent.full_name()}, {"checkpoint", "last"}};
  SweepSource source;
  source.file = "fork of " + parent.full_name();
  source.text = json{{"version", 1},
                     {"sweep", parent.sweep_name == "fork" ? "forks" : "fork"},
                     {"seeds", {parent.seed}},
                     {"runs", {{name, config}}}}
                    .dump(1);
  source.cwd = request.cwd;
  source.set = request.set;
  return source;
}

PlannedRun planned_fork(const Core& core, const SweepSource& source, json* problems) {
  ExpandedSweep expanded = core.language.expand(source);
  std::erase_if(expanded.diagnostics, [](const Diagnostic& d) { return d.severity != "error"; });
  if (!expanded.diagnostics.empty()) {
    if (problems != nullptr) *problems = {{"diagnostics", expanded.diagnostics}};
    throw Error(ErrorCode::invalid,
                "the fork cannot be made: " + expanded.diagnostics.front().message + "; " +
                    expanded.diagnostics.front().suggestion);
  }
  if (!expanded.needs_files.empty()) {
    throw Error(ErrorCode::invalid,
                "a fork takes prompts as a list, not as a file: " + expanded.needs_files.front(),
                "set");
  }
  return expanded.runs.at(0);
}

// What was not set anew comes from where the parent's came from.
void inherit(RunRow& fork, const PlannedRun& planned, const RunRow& parent) {
  const json from = parent.origins.whole();
  const json bases = json::parse(parent.path_bases);
  json origins = json::object(), path_bases = json::object();
  const json& own_bases = planned.path_bases.json();
  for (const auto& [field, origin] : planned.origins.json().items()) {
    const bool is_set = origin == "--set";
    if (is_set) origins[field] = origin;
    if (!is_set && from.contains(field)) origins[field] = from[field];
    if (is_set && own_bases.contains(field)) path_bases[field] = own_bases[field];
    if (!is_set && bases.contains(field)) path_bases[field] = bases[field];
  }
  fork.origins.own = origins.dump();
  fork.path_bases = path_bases.dump();
}

// Puts `word` into the label, where `other` stands if that does.
void say(std::string& label, const std::string& word, const std::string& other) {
  const std::size_t at =
      other.empty() ? std::string::npos : (" " + label + " ").find(" " + other + " ");
  if (at != std::string::npos) {
    label.replace(at, other.size(), word);
  } else {
    label += (label.empty() ? "" : " ") + word;
  }
}

std::string shortened(const std::string& label) {
  if (label.size() <= kLongestLabel) return label;
  std::size_t end = kLongestLabel;
  while (end > 0 && (static_cast<unsigned char>(label[end]) & 0xC0U) == 0x80U) --end;
  return label.substr(0, end) + "…";
}

// Its parent's axes and label, but for what is set anew.
void describe(RunRow& fork, const RunRow& parent, const ForkRequest& request,
              const PlannedRun& planned) {
  json axes = json::parse(parent.axes);
  fork.label = parent.label;
  for (const std::string& setting : request.set) {
    const std::string field = setting.substr(0, setting.find('='));
    const json& value = planned.config[config::spread(field).front()];
    const std::string before = axes.contains(field) ? sweep::label_word(field, axes[field]) : "";
    say(fork.label, sweep::label_word(field, value.is_null() ? json("default") : value), before);
    axes.erase(field);
    if (!value.is_null()) axes[field] = value;
  }
  fork.label = shortened(fork.label);
  fork.axes = axes.dump();
}

RunRow row_of_fork(const PlannedRun& planned, const RunRow& parent, const ForkRequest& request,
                   std::int64_t now_ms) {
  RunRow fork = row_of(planned, now_ms);
  fork.sweep = parent.sweep;
  fork.study = parent.study;
  fork.config.own = planned.config.flat().dump();
  fork.parent = parent.id;
  fork.forked = true;
  fork.state = RunState::queued;
  inherit(fork, planned, parent);
  describe(fork, parent, request, planned);
  return fork;
}

}  // namespace

json fork_run(Core& core, const std::string& run_id, const ForkRequest& request,
              const std::string& actor, json* problems) {
  return core.database.write(Urgency::state, [&](Connection& c) -> json {
    RunStore runs(c);
    RunRow parent = runs.need_uid(run_id);
    if (parent.alias_of) parent = runs.need(*parent.alias_of);
    const CheckpointRow checkpoint = checkpoint_of(c, parent, request.step);
    const std::string name = request.name.empty() ? free_name(runs, parent) : request.name;
    if (runs.find_name(parent.sweep, name)) {
      throw Error(ErrorCode::conflict,
                  fmt::format("{} has a run '{}'; choose another --name", parent.sweep_name, name),
                  "name");
    }
    const PlannedRun planned = planned_fork(core, as_sweep(parent, name, request), problems);
    RunRow fork = row_of_fork(planned, parent, request, core.now_ms());
    fork.position = runs.end_of(parent.sweep);
    fork.run_hash =
        child_hash(fork.run_hash, fmt::format("{}@{}", parent.run_hash, checkpoint.step));
    const std::int64_t id = runs.insert(fork);
    CheckpointStore(c).pin(id, checkpoint);
    EventStore(c).add(
        {id, core.now_ms(), actor, "queued",
         fmt::format("forked from {} at step {}", parent.full_name(), checkpoint.step)});
    return {{"id", fork.uid},
            {"name", name},
            {"sweep", parent.sweep_name},
            {"state", to_string(fork.state)},
            {"parent", parent.full_name()},
            {"checkpoint_step", checkpoint.step},
            {"undo", fmt::format("sarsweep cancel {}/{}", parent.sweep_name, name)}};
  });
}

}  // namespace sarsweep::coordinator
