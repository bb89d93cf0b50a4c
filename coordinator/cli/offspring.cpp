#include <filesystem>
#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/diagnostics.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/table.h"
#include "schema/protocol/messages.h"

// More training out of what a run has reached: in a run of its own, or in the same.
namespace sarsweep::cli {
namespace {

using nlohmann::json;

std::string path_of(const json& run, const char* action) {
  return "/api/v1/runs/" + run.at("id").get<std::string>() + "/" + action;
}

bool tell_problems(Session& session, const json& body) {
  const auto diagnostics = diagnostics_of(body);
  for (const Diagnostic& diagnostic : diagnostics) {
    session.err() << render(diagnostic, session.color());
  }
  if (!diagnostics.empty() && session.as_document()) {
    session.print_document({{"diagnostics", body.at("diagnostics")}});
  }
  return !diagnostics.empty();
}

}  // namespace

Exit fork(Session& session, const ForkOptions& options) {
  const json run = select_run(session, options.selector);
  const ForkRequest request{options.set, options.name, options.step,
                            std::filesystem::current_path().string()};
  auto reply = session.api().post(path_of(run, "fork"), request);
  if (!reply && tell_problems(session, reply.error().body)) return Exit::usage;
  const json made = client::value_or_throw(std::move(reply));
  if (session.as_document()) {
    session.print_document(made);
    return Exit::ok;
  }
  session.out() << cell(made, "sweep") << '/' << cell(made, "name") << '\n';
  session.err() << "queued; it starts from " << cell(made, "parent") << " at step "
                << cell(made, "checkpoint_step") << "\nundo: " << cell(made, "undo") << '\n';
  return Exit::ok;
}

Exit extend(Session& session, const ExtendOptions& options) {
  const json run = select_run(session, options.selector);
  const json made = client::value_or_throw(
      session.api().post(path_of(run, "extend"), ExtendRequest{options.steps}));
  if (session.as_document()) {
    session.print_document(made);
    return Exit::ok;
  }
  session.err() << cell(made, "name") << ": " << cell(made, "was") << " -> " << cell(made, "state")
                << ", to step " << cell(made, "total_steps")
                << "\nits results so far stay at their step; sarsweep cancel stops it\n";
  return Exit::ok;
}

}  // namespace sarsweep::cli
