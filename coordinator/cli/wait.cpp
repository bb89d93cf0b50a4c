#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/run_table.h"
#include "coordinator/cli/selection.h"
#include "schema/protocol/run_state.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;
using Runs = std::vector<json>;

constexpr double kPatience = 60;    // seconds that a restart of the coordinator may take
constexpr double kLookEvery = 0.5;  // seconds
constexpr const char* kClearScreen = "\x1b[H\x1b[2J";

bool is(const json& run, RunState state) { return run.value("state", "") == to_string(state); }

// Blocked counts as an end: it leaves that state only when somebody acts on its parent.
bool has_ended(const json& run) {
  const auto state = parse_run_state(run.value("state", ""));
  return state && (is_terminal(*state) || *state == RunState::blocked);
}

bool all_ended(const Runs& runs) { return std::all_of(runs.begin(), runs.end(), has_ended); }

Exit verdict(const Runs& runs) {
  const bool good = std::all_of(runs.begin(), runs.end(),
                                [](const json& run) { return is(run, RunState::done); });
  return good ? Exit::ok : Exit::failed;
}

// One line for each run whose state differs from what was told before.
void tell_changes(std::ostream& to, const Runs& runs, std::map<std::string, std::string>& told) {
  for (const json& run : runs) {
    const std::string state = run.value("state", "?");
    std::string& before = told[run.at("id")];
    if (before == state) continue;
    before = state;
    const std::string reason =
        run.contains("reason") && run["reason"].is_string() ? run["reason"].get<std::string>() : "";
    to << run.value("name", "?") << ": " << state << (reason.empty() ? "" : " (" + reason + ")")
       << '\n'
       << std::flush;
  }
}

void tell_timeout(Session& session, const Runs& runs, double timeout_s) {
  const auto left = [](const json& run) { return !has_ended(run); };
  const auto first = std::find_if(runs.begin(), runs.end(), left);
  session.err() << fmt::format(
      "{} of {} runs have not ended within {} s; to see why: sarsweep why {}/{}\n",
      std::count_if(runs.begin(), runs.end(), left), runs.size(), timeout_s,
      first->value("sweep", "?"), first->value("name", "?"));
}

}  // namespace

Exit wait(Session& session, const WaitOptions& options) {
  const auto started = steady_clock::now();
  std::map<std::string, std::string> told;
  for (;;) {
    const Runs runs = select_runs(session, options.runs);
    tell_changes(session.err(), runs, told);
    session.set_patience(kPatience);
    if (all_ended(runs)) {
      if (session.as_document()) session.print_document(runs);
      return verdict(runs);
    }
    const double waited = std::chrono::duration<double>(steady_clock::now() - started).count();
    double pause = kLookEvery;
    if (options.timeout_s) pause = std::min(pause, *options.timeout_s - waited);
    if (pause <= 0) {
      tell_timeout(session, runs, *options.timeout_s);
      return Exit::timeout;
    }
    if (!session.pause_for(pause)) return Exit::failed;
  }
}

Exit watch(Session& session, const Selection& selection) {
  std::map<std::string, std::string> told;
  for (;;) {
    const Runs runs = select_runs(session, selection);
    session.set_patience(kPatience);
    if (session.interactive()) {
      session.out() << kClearScreen << run_table(runs) << std::flush;
    } else {
      tell_changes(session.out(), runs, told);
    }
    if (all_ended(runs) || !session.pause_for(kLookEvery * 2)) return Exit::ok;
  }
}

}  // namespace sarsweep::cli
