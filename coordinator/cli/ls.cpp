#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/run_table.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/table.h"

namespace sarsweep::cli {

std::string run_table(const std::vector<nlohmann::json>& runs) {
  using enum Table::Align;
  Table table({{"NAME"},
               {"LABEL"},
               {"SWEEP"},
               {"STATE"},
               {"STEP", right},
               {"DONE", right},
               {"ETA", right},
               {"WORKER"},
               {"REASON"}});
  for (const auto& run : runs) {
    const std::string total = cell(run, "total_steps");
    const std::string alias = cell(run, "alias_of");
    table.add({cell(run, "name"), cell(run, "label"), cell(run, "sweep"), cell(run, "state"),
               cell(run, "step") + (total == "-" ? "" : "/" + total),
               percent(run.value("progress", nlohmann::json())),
               duration(run.value("eta_s", nlohmann::json())), cell(run, "worker"),
               alias == "-" ? cell(run, "reason") : "alias of " + alias});
  }
  return table.text();
}

Exit ls(Session& session, const LsOptions& options) {
  client::Query query = query_of(options.selector, options.state, options.where);
  narrow(query, "sweep", options.sweep.empty() ? "" : sweep_name(options.sweep));
  narrow(query, "study", options.study);
  const auto runs = fetch_runs(session, query);
  if (session.as_document()) {
    session.print_document(runs);
  } else if (runs.empty()) {
    session.err() << "no runs; submit some: sarsweep submit FILE\n";
  } else {
    session.out() << run_table(runs);
  }
  return Exit::ok;
}

}  // namespace sarsweep::cli
