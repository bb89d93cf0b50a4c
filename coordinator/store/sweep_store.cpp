#include "coordinator/store/sweep_store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::size_t kShownNames = 8;

}  // namespace

std::int64_t SweepStore::save(const SweepRow& row) {
  connection_.change(R"sql(
    INSERT INTO sweep (name, description, objective_metric, objective_goal, report, studies, text, file,
                       created_ms, baselines)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    ON CONFLICT (name) DO UPDATE SET description = ?2, objective_metric = ?3, objective_goal = ?4,
      report = ?5, studies = ?6, text = ?7, file = ?8, baselines = ?10)sql",
                     {row.name, row.description, row.objective_metric, row.objective_goal,
                      row.report, row.studies, row.text, row.file, row.created_ms, row.baselines});
  return connection_.integer("SELECT id FROM sweep WHERE name = ?1", {row.name}).value();
}

std::vector<SweepRow> SweepStore::select(const std::string& tail, const SqlValues& values) {
  std::vector<SweepRow> rows;
  connection_.each(
      "SELECT id, name, description, objective_metric, objective_goal, report, studies, baselines,"
      " text, file, created_ms FROM sweep " +
          tail,
      values, [&](const Row& row) {
        rows.push_back({row.integer(0), row.text(1), row.text(2), row.text(3), row.text(4),
                        row.text(5), row.text(6), row.text(7), row.text(8), row.text(9),
                        row.integer(10)});
      });
  return rows;
}

std::optional<SweepRow> SweepStore::find(const std::string& name) {
  std::vector<SweepRow> rows = select("WHERE name = ?1", {name});
  if (rows.empty()) return std::nullopt;
  return rows.front();
}

SweepRow SweepStore::need(const std::string& name) {
  if (std::optional<SweepRow> sweep = find(name)) return std::move(*sweep);
  std::vector<std::string> names;
  for (const SweepRow& sweep : all()) {
    if (names.size() < kShownNames) names.push_back(sweep.name);
  }
  const std::string known = names.empty() ? "there are none yet: sarsweep submit FILE"
                                          : fmt::format("there are {}", fmt::join(names, ", "));
  throw Error(ErrorCode::not_found, fmt::format("no sweep is called '{}'; {}", name, known),
              "sweep");
}

std::vector<SweepRow> SweepStore::all() { return select("ORDER BY id DESC", {}); }

std::optional<Submission> SweepStore::find_submission(const std::string& key) {
  std::optional<Submission> found;
  connection_.each("SELECT digest, reply FROM submission WHERE key = ?1", {key},
                   [&](const Row& row) {
                     found = Submission{row.text(0), row.text(1)};
                   });
  return found;
}

void SweepStore::save_submission(const std::string& key, const Submission& submission,
                                 std::int64_t now_ms) {
  connection_.change(
      "INSERT INTO submission (key, digest, reply, created_ms) VALUES (?1, ?2, ?3, ?4)",
      {key, submission.digest, submission.reply, now_ms});
}

}  // namespace sarsweep::coordinator
