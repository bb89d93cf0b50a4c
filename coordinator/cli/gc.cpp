#include <fmt/format.h>

#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/table.h"
#include "schema/protocol/messages.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;

GarbageRequest request_of(Session& session, const GcOptions& options) {
  GarbageRequest request;
  request.keep_last = options.keep_last;
  request.keep_best = options.keep_best;
  const Selection& chosen = options.runs;
  if (chosen.selectors.empty() && chosen.state.empty() && chosen.where.empty()) return request;
  for (const json& run : select_runs(session, chosen)) request.runs.push_back(run.at("id"));
  return request;
}

json ask(Session& session, const GarbageRequest& request) {
  return client::value_or_throw(session.api().post("/api/v1/gc", request));
}

std::string table_of(const json& found) {
  Table table({{"SWEEP"},
               {"NAME"},
               {"STATE"},
               {"CHECKPOINTS", Table::Align::right},
               {"REMAINS", Table::Align::right},
               {"FREES", Table::Align::right}});
  for (const json& run : found.at("runs")) {
    table.add({cell(run, "sweep"), cell(run, "name"), cell(run, "state"), cell(run, "checkpoints"),
               cell(run, "leftovers"), size(run.at("bytes"))});
  }
  return table.text();
}

// How far the disk reaches: what is free against what the runs to come want.
std::string outlook(const json& found) {
  const json& to_come = found.at("to_come");
  std::string text = fmt::format("free in the store: {}; ", size(found.at("free_bytes")));
  if (to_come.at("runs") == 0) return text + "every run has ended\n";
  const bool one = to_come.at("runs") == 1;
  text += fmt::format("the checkpoints of {} run{} that {} not ended take up to {} more",
                      cell(to_come, "runs"), one ? "" : "s", one ? "has" : "have",
                      size(to_come.at("bytes")));
  if (to_come.at("unknown") != 0) {
    text += one ? " (it is not counted: none of its sweep has saved one yet)"
                : fmt::format(" ({} of them not counted: none of their sweep has saved one yet)",
                              cell(to_come, "unknown"));
  }
  return text + "\n";
}

}  // namespace

Exit gc(Session& session, const GcOptions& options) {
  GarbageRequest request = request_of(session, options);
  json found = ask(session, request);
  const bool looks_only = options.dry_run || found.at("runs").empty() ||
                          (session.as_document() && !session.preferences().yes);
  if (!session.as_document()) {
    session.out() << table_of(found);
    session.err() << outlook(found);
  }
  if (!looks_only) {
    if (!session.confirm(fmt::format("{} are removed; that cannot be undone. What is left still "
                                     "resumes, and starts the runs that build on it.",
                                     size(found.at("bytes"))))) {
      return Exit::failed;
    }
    request.apply = true;
    found = ask(session, request);
  }
  if (session.as_document()) {
    session.print_document(found);
  } else if (found.at("runs").empty() && !request.apply) {
    session.err() << "nothing to remove: what ended runs keep is needed\n";
  } else if (request.apply) {
    session.err() << size(found.at("bytes")) << " are being removed\n";
  }
  return Exit::ok;
}

}  // namespace sarsweep::cli
