#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/table.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;

void print_facts(std::ostream& out, const json& run) {
  Table facts({{"RUN"}, {run.value("sweep", "") + "/" + run.value("name", "")}});
  for (const char* key : {"id", "label", "study", "seed", "state", "reason", "stage", "step",
                          "total_steps", "worker", "alias_of", "source_run"}) {
    const std::string value = cell(run, key);
    if (value != "-" && !value.empty()) facts.add({key, value});
  }
  facts.add({"progress", percent(run.value("progress", json()))});
  out << facts.text();
}

void print_metrics(std::ostream& out, const json& run) {
  Table table({{"METRIC"}, {"LAST", Table::Align::right}});
  const json metrics = run.value("metrics", json::object());
  for (const auto& [key, value] : metrics.items()) {
    table.add({key, cell(value)});
  }
  if (table.rows() > 0) out << '\n' << table.text();
}

void print_config(std::ostream& out, const json& run) {
  Table table({{"FIELD"}, {"VALUE"}, {"FROM"}});
  const json origins = run.value("origins", json::object());
  const json config = run.value("config", json::object());
  for (const auto& [key, value] : config.items()) {
    table.add({key, cell(value), origins.contains(key) ? cell(origins[key]) : "default"});
  }
  if (table.rows() > 0) out << '\n' << table.text();
}

void print_attempts(std::ostream& out, const json& run) {
  using enum Table::Align;
  Table table(
      {{"ATTEMPT", right}, {"WORKER"}, {"FROM STEP", right}, {"END"}, {"EXIT", right}, {"REASON"}});
  for (const json& attempt : run.value("attempts", json::array())) {
    table.add({cell(attempt, "attempt"), cell(attempt, "worker"), cell(attempt, "resume_step"),
               cell(attempt, "end"), cell(attempt, "exit_code"), cell(attempt, "reason")});
  }
  if (table.rows() > 0) out << '\n' << table.text();
}

}  // namespace

Exit show(Session& session, const std::string& selector) {
  const std::string id = select_run(session, selector).at("id");
  const json run = get_document(session, "/api/v1/runs/" + id, {});
  if (session.as_document()) {
    session.print_document(run);
    return Exit::ok;
  }
  print_facts(session.out(), run);
  print_metrics(session.out(), run);
  print_config(session.out(), run);
  print_attempts(session.out(), run);
  return Exit::ok;
}

}  // namespace sarsweep::cli
