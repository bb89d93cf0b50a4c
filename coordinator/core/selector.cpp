#include "coordinator/core/selector.h"

#include <fmt/format.h>

#include <algorithm>

#include "schema/base/error.h"
#include "schema/config/condition.h"
#include "schema/config/fields.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::size_t kShownCandidates = 10;

bool named(const RunRow& run, const std::string& text) {
  const std::string seeded = fmt::format("{}-s{}", run.cell, run.seed);
  return run.uid == text || run.name == text || run.full_name() == text || seeded == text ||
         run.sweep_name + "/" + seeded == text;
}

bool begins(const RunRow& run, const std::string& text) {
  return run.name.compare(0, text.size(), text) == 0 ||
         run.full_name().compare(0, text.size(), text) == 0;
}

template <typename Keep>
std::vector<RunRow> kept(const std::vector<RunRow>& rows, const Keep& keep) {
  std::vector<RunRow> out;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(out), keep);
  return out;
}

[[noreturn]] void refuse(const std::string& selector, const std::vector<RunRow>& candidates,
                         const char* what) {
  std::vector<std::string> names;
  for (const RunRow& run : candidates) {
    if (names.size() < kShownCandidates) names.push_back(run.full_name());
  }
  const std::string list = names.empty() ? "there are no runs yet: sarsweep submit FILE"
                                         : fmt::format("candidates: {}", fmt::join(names, ", "));
  throw Error(ErrorCode::not_found, fmt::format("'{}' {}; {}", selector, what, list), "selector");
}

std::vector<RunRow> of_group(const std::vector<RunRow>& rows, const std::string& selector) {
  const std::string group = selector.substr(1);
  std::vector<RunRow> found = kept(rows, [&](const RunRow& run) {
    return run.sweep_name == group || run.sweep_name + "/" + run.study == group;
  });
  if (found.empty()) refuse(selector, rows, "names no sweep or study");
  return found;
}

std::vector<RunRow> chosen(const std::vector<RunRow>& rows, const std::string& selector) {
  if (selector.front() == '@') return of_group(rows, selector);
  std::vector<RunRow> found = kept(rows, [&](const RunRow& run) { return named(run, selector); });
  if (found.empty()) {
    found = kept(rows, [&](const RunRow& run) { return begins(run, selector); });
  }
  if (found.empty()) refuse(selector, rows, "names no run");
  if (found.size() > 1) refuse(selector, found, "is ambiguous");
  return found;
}

config::Condition condition_of(const std::string& text) {
  config::Condition condition;
  try {
    condition = config::parse_condition(text);
  } catch (const Error& error) {
    throw Error(ErrorCode::invalid, "where: " + std::string(error.what()), "where");
  }
  for (const config::Clause& clause : condition) {
    const std::vector<std::string> fields = config::spread(clause.field);
    if (std::all_of(fields.begin(), fields.end(), config::find_field)) continue;
    const std::string nearest = config::nearest_field(clause.field);
    throw Error(ErrorCode::not_found,
                fmt::format("where: no field is called '{}'; {}", clause.field,
                            nearest.empty() ? "sarsweep explain lists them"
                                            : "did you mean '" + nearest + "'?"),
                "where");
  }
  return condition;
}

bool satisfies(const RunRow& run, const config::Condition& condition) {
  return config::holds(condition, [&](const std::string& field) {
    return config::joint_value(field,
                               [&](const std::string& name) { return run.config.value(name); });
  });
}

}  // namespace

std::vector<RunRow> select_runs(Connection& connection, const RunFilter& filter) {
  RunStore runs(connection);
  std::vector<RunRow> rows = runs.all();
  if (!filter.sweep.empty()) {
    rows = kept(rows, [&](const RunRow& run) { return run.sweep_name == filter.sweep; });
  }
  if (!filter.study.empty()) {
    rows = kept(rows, [&](const RunRow& run) { return run.study == filter.study; });
  }
  if (!filter.selector.empty()) rows = chosen(rows, filter.selector);
  if (!filter.where.empty()) {
    const config::Condition condition = condition_of(filter.where);
    rows = kept(rows, [&](const RunRow& run) { return satisfies(run, condition); });
  }
  if (!filter.state.empty()) {
    const std::optional<RunState> state = parse_run_state(filter.state);
    if (!state)
      throw Error(ErrorCode::invalid, "no state is called '" + filter.state + "'", "state");
    rows = kept(rows, [&](const RunRow& run) {
      return (run.alias_of ? runs.need(*run.alias_of).state : run.state) == *state;
    });
  }
  if (!filter.after.empty()) {
    const auto last = std::find_if(rows.begin(), rows.end(),
                                   [&](const RunRow& run) { return run.uid == filter.after; });
    if (last == rows.end()) throw Error(ErrorCode::not_found, "no run has the id " + filter.after);
    rows.erase(rows.begin(), last + 1);
  }
  const auto limit = static_cast<std::size_t>(std::clamp<std::int64_t>(filter.limit, 0, 100'000));
  if (rows.size() > limit) rows.resize(limit);
  return rows;
}

}  // namespace sarsweep::coordinator
