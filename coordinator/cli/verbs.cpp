#include <fmt/format.h>

#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/selection.h"
#include "coordinator/cli/table.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kManyRuns = 10;

bool is_wanted(Session& session, const VerbOptions& options, std::size_t runs) {
  if (options.from_scratch) {
    return session.confirm(
        fmt::format("{} checkpoints; that cannot be undone.",
                    runs == 1 ? "1 run forgets its" : fmt::format("{} runs forget their", runs)));
  }
  if (runs <= kManyRuns || !session.interactive()) return true;
  return session.confirm(fmt::format("{} {} runs?", options.verb, runs));
}

void tell(Session& session, const json& reply) {
  const std::string was = cell(reply, "was");
  const std::string state = cell(reply, "state");
  const std::string name = cell(reply, "name");
  session.err() << name << ": " << (was == state ? "stays " + state : was + " -> " + state) << '\n';
  const std::string undo = cell(reply, "undo");
  const std::string lifted = cell(reply, "lifted");
  if (lifted != "-" && !lifted.empty()) {
    session.err() << "its sweep is no longer held (" << lifted << ")\n";
  }
  if (was != state && undo != "-" && !undo.empty()) session.err() << "undo: " << undo << '\n';
}

}  // namespace

// A run that a verb does not fit stops nothing where several are named: it is reported and left.
Exit apply_verb(Session& session, const VerbOptions& options) {
  const auto runs = select_runs(session, options.runs);
  if (!is_wanted(session, options, runs.size())) return Exit::failed;
  const json body = options.from_scratch ? json{{"from_scratch", true}} : json::object();
  json changed = json::array();
  for (const json& run : runs) {
    auto reply = session.api().post(
        "/api/v1/runs/" + run.at("id").get<std::string>() + "/" + options.verb, body);
    if (!reply && reply.error().code == ErrorCode::conflict && runs.size() > 1) {
      session.err() << reply.error().message << '\n';
      continue;
    }
    changed.push_back(client::value_or_throw(std::move(reply)));
    tell(session, changed.back());
  }
  if (session.as_document()) session.print_document(changed);
  return changed.empty() ? Exit::conflict : Exit::ok;
}

}  // namespace sarsweep::cli
