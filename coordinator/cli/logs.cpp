#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/selection.h"
#include "schema/protocol/run_state.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;

constexpr const char* kPiece = "262144";
constexpr double kPatience = 60;      // seconds that a restart of the coordinator may take
constexpr double kFollowEvery = 0.5;  // seconds

struct Position {
  std::int64_t offset = 0;
  std::int64_t attempt = -1;  // -1: the newest
};

// Copies what is there. False: there was nothing new.
bool copy_piece(Session& session, const std::string& id, Position& at) {
  client::Query query = {{"offset", std::to_string(at.offset)}, {"limit", kPiece}};
  if (at.attempt >= 0) query.emplace_back("attempt", std::to_string(at.attempt));
  const json piece = get_document(session, "/api/v1/runs/" + id + "/log", query);
  at.attempt = piece.value("attempt", at.attempt);
  const std::int64_t next = piece.value("next", at.offset);
  session.out() << piece.value("text", "") << std::flush;
  const bool moved = next > at.offset;
  at.offset = next;
  return moved;
}

}  // namespace

Exit logs(Session& session, const LogsOptions& options) {
  const std::string id = select_run(session, options.selector).at("id");
  if (options.follow) session.set_patience(kPatience);
  Position at;
  if (options.attempt) at.attempt = *options.attempt;
  for (;;) {
    // Asked before reading, so that whatever was written before the end is still copied after it.
    const json run = get_document(session, "/api/v1/runs/" + id, {});
    const auto state = parse_run_state(run.value("state", ""));
    while (copy_piece(session, id, at)) {
      if (session.stop().stop_requested()) return Exit::ok;
    }
    const std::int64_t newest = run.value("attempt", at.attempt);
    if (options.follow && !options.attempt && newest > at.attempt) {
      session.err() << "--- attempt " << newest << " ---\n";
      at = {0, newest};
      continue;
    }
    const bool ended = state && is_terminal(*state);
    if (!options.follow || ended || !session.pause_for(kFollowEvery)) return Exit::ok;
  }
}

}  // namespace sarsweep::cli
