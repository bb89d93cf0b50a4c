#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/diagnostics.h"
#include "coordinator/cli/sweep_file.h"

namespace sarsweep::cli {

Exit import_wandb(Session& session, const std::string& file) {
  const SweepSource source = read_sweep_file(file, {});
  const nlohmann::json document =
      client::value_or_throw(session.api().post("/api/v1/imports/wandb", source));
  const auto diagnostics = diagnostics_of(document);
  const Exit exit = has_errors(diagnostics) ? Exit::usage : Exit::ok;
  if (session.as_document()) {
    session.print_document(document);
    return exit;
  }
  for (const Diagnostic& diagnostic : diagnostics) {
    session.err() << render(diagnostic, session.color());
  }
  session.out() << document.value("text", "");
  return exit;
}

}  // namespace sarsweep::cli
