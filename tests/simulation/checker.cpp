#include "tests/simulation/checker.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "coordinator/store/metric_store.h"
#include "coordinator/store/run_store.h"
#include "schema/base/error.h"
#include "tests/simulation/trainer_stand_in.h"

namespace sarsweep::simulation {
namespace {

using coordinator::Connection;
using coordinator::Row;
using nlohmann::json;

// What a training of this name that nothing disturbs would have written.
json undisturbed(const std::string& name) {
  json series = json::array();
  for (std::int64_t step = 1; step <= steps_of(name); ++step) {
    series.push_back({step, value_of(name, step)});
  }
  return series;
}

}  // namespace

Checker::Checker(const std::filesystem::path& home)
    : file_(home / "sarsweep.db"), store_(home / "store") {}

Connection& Checker::database() {
  if (!connection_) connection_ = std::make_unique<Connection>(file_, Connection::Access::read);
  return *connection_;
}

bool Checker::granted(const Attempt& attempt, const std::string& worker) {
  return grantees_.try_emplace(attempt, worker).second;
}
void Checker::stored(const Attempt& attempt, std::int64_t bytes, const std::string& events) {
  std::int64_t& most = bytes_[attempt];
  most = std::max(most, bytes);
  if (events.size() > events_[attempt].size()) events_[attempt] = events;
}
void Checker::finished(const Attempt& attempt) { finished_.insert(attempt); }

void Checker::asked(const std::string& run, Verb verb) {
  if (verb == Verb::cancel || verb == Verb::kill) stopped_.insert(run);
  if (verb == Verb::resume || verb == Verb::retry) {
    stopped_.erase(run);
    woken_.insert(run);
    over_[run] = seen_[run].epoch;
  }
}
void Checker::withdrawn(const std::string& run) { woken_.insert(run); }

std::optional<std::string> Checker::look() {
  const std::int64_t version = database().integer("PRAGMA data_version").value_or(0);
  if (version == looked_at_) return std::nullopt;  // Nobody has written since.
  looked_at_ = version;
  if (auto fault = look_at_runs()) return fault;
  if (auto fault = look_at_attempts()) return fault;
  if (auto fault = look_at_parents()) return fault;
  return look_at_slots();
}

std::optional<std::string> Checker::look_at_parents() {
  std::optional<std::string> fault;
  database().each(
      "SELECT r.name, r.state, p.name, p.state FROM run r JOIN run p ON p.id = r.parent"
      " WHERE r.state = 'leased' AND p.state <> 'done'",
      {}, [&](const Row& row) {
        fault = fmt::format("{} is {} while its parent {} is {}", row.text(0), row.text(1),
                            row.text(2), row.text(3));
      });
  return fault;
}

std::optional<std::string> Checker::look_for_waste() {
  std::optional<std::string> fault;
  database().each(
      "SELECT r.name, r.state, (SELECT COUNT(*) FROM attempt a WHERE a.run = r.id) FROM run r", {},
      [&](const Row& row) {
        if (row.text(1) == "done" && row.integer(2) == 1) return;
        fault = fmt::format("nothing went wrong, and {} is {} after {} attempts", row.text(0),
                            row.text(1), row.integer(2));
      });
  return fault;
}

std::optional<std::string> Checker::look_at_runs() {
  std::optional<std::string> fault;
  std::vector<std::pair<std::string, std::string>> newly_done;
  database().each(
      "SELECT r.uid, r.name, r.state, r.lease_epoch, r.reason,"
      " (SELECT COUNT(*) FROM attempt a WHERE a.run = r.id AND a.\"end\" IS NULL),"
      " (SELECT COUNT(*) FROM attempt a WHERE a.run = r.id AND a.\"end\" IS NULL"
      "   AND a.epoch = r.lease_epoch) FROM run r WHERE r.alias_of IS NULL",
      {}, [&](const Row& row) {
        const std::string uid = row.text(0), name = row.text(1);
        const RunState state = parse_run_state(row.text(2)).value();
        const std::int64_t epoch = row.integer(3), open = row.integer(5), newest = row.integer(6);
        const auto [at, fresh] = seen_.try_emplace(uid, Seen{state, epoch});
        Seen& before = at->second;
        const auto say = [&](const std::string& what) {
          if (!fault) fault = name + ": " + what;
        };
        if (open != (is_held(state) ? 1 : 0) || newest != open) {
          say(fmt::format("{} with {} open attempts", to_string(state), open));
        }
        if (epoch < before.epoch || epoch > before.epoch + 1) {
          say(fmt::format("epoch {} after {}", epoch, before.epoch));
        }
        if (is_terminal(before.state) && before.state != state && !woken_.contains(uid)) {
          say(fmt::format("{} after {}", to_string(state), to_string(before.state)));
        }
        if (is_held(state) && over_.contains(uid) && epoch <= over_[uid]) {
          say(fmt::format("attempt {} goes on although a person has begun anew", epoch));
        }
        if (!is_terminal(state)) woken_.erase(uid);
        const bool done_now = state == RunState::done && (fresh || before.state != state);
        if (done_now && stopped_.contains(uid)) say("done after its cancel was acknowledged");
        if (done_now) newly_done.emplace_back(uid, name);
        before = {state, epoch};
      });
  for (const auto& [uid, name] : newly_done) {
    if (!fault) fault = look_at_done(uid, name);
  }
  return fault;
}

std::optional<std::string> Checker::look_at_done(const std::string& run, const std::string& name) {
  json series = json::array();
  const std::int64_t data = coordinator::RunStore(database()).need_uid(run).data_run();
  for (const auto& point : coordinator::MetricStore(database()).series(data, "x")) {
    series.push_back({point.step, point.value});
  }
  std::optional<std::string> absent;
  database().each(
      "SELECT s.sha256 FROM sample s JOIN run r ON r.id = s.run AND s.epoch = r.lease_epoch"
      " WHERE r.uid = ?1",
      {run}, [&](const Row& row) {
        const std::string digest = row.text(0);
        const auto object = store_ / "objects" / digest.substr(0, 2) / digest;
        if (!std::filesystem::exists(object)) absent = name + " is done without its artifact";
      });
  if (absent) return absent;
  if (series == undisturbed(name)) return std::nullopt;
  return name + " is done with the series " + series.dump() + " instead of " +
         undisturbed(name).dump();
}

std::optional<std::string> Checker::look_at_attempts() {
  std::optional<std::string> fault;
  database().each(
      "SELECT r.uid, a.epoch, a.\"end\", r.name FROM attempt a JOIN run r ON r.id = a.run", {},
      [&](const Row& row) {
        const Attempt attempt{row.text(0), row.integer(1)};
        const std::optional<std::string> end = row.maybe_text(2);
        const auto [at, fresh] = ends_.try_emplace(attempt, end);
        const bool reclaimed = at->second == "lost";  // and perhaps closed at once
        if (at->second && at->second != end && !reclaimed && !fault) {
          fault = fmt::format("{} attempt {}: {} after {}", row.text(3), attempt.second,
                              end.value_or("open"), *at->second);
        }
        at->second = end;
      });
  return fault;
}

std::optional<std::string> Checker::look_at_slots() {
  std::optional<std::string> fault;
  std::set<std::tuple<std::string, std::int64_t>> held;
  database().each(
      "SELECT incarnation, slots FROM attempt WHERE \"end\" IS NULL", {}, [&](const Row& row) {
        for (const json& slot : json::parse(row.text(1))) {
          const auto one = std::tuple(row.text(0), slot.get<std::int64_t>());
          if (!held.insert(one).second && !fault) {
            fault =
                fmt::format("slot {} of {} has two holders", std::get<1>(one), std::get<0>(one));
          }
        }
      });
  return fault;
}

std::optional<std::string> Checker::look_at_points() {
  std::optional<std::string> fault;
  database().each(
      "SELECT r.uid, r.name, m.attempt, m.step, m.value FROM metric m JOIN run r ON r.id = m.run",
      {}, [&](const Row& row) {
        const std::int64_t step = row.integer(3);
        const Attempt attempt{row.text(0), row.integer(2)};
        if (fault) return;
        if (row.null(4) || row.real(4) != value_of(row.text(1), step)) {
          fault = fmt::format("{} step {} has another value", row.text(1), step);
        }
        if (!grantees_.contains(attempt)) {
          fault = fmt::format("{} has points of attempt {}, which nobody was granted", row.text(1),
                              attempt.second);
        }
      });
  return fault;
}

std::optional<std::string> Checker::look_closely() {
  std::optional<std::string> fault = look_at_points();
  std::map<Attempt, std::pair<std::int64_t, bool>> there;
  database().each(
      "SELECT r.uid, a.epoch, a.event_bytes, a.exit_code FROM attempt a JOIN run r ON r.id = a.run",
      {}, [&](const Row& row) {
        there[{row.text(0), row.integer(1)}] = {row.integer(2), !row.null(3)};
      });
  for (const auto& [attempt, bytes] : bytes_) {
    if (!fault && there[attempt].first < bytes) {
      fault = fmt::format("{} e{}: {} bytes acknowledged, {} stored", attempt.first, attempt.second,
                          bytes, there[attempt].first);
    }
  }
  for (const Attempt& attempt : finished_) {
    if (!fault && !there[attempt].second) {
      fault = fmt::format("{} e{}: its finish was acknowledged and is gone", attempt.first,
                          attempt.second);
    }
  }
  return fault;
}

std::map<std::string, RunState> Checker::states() {
  std::map<std::string, RunState> states;
  database().each("SELECT name, state FROM run WHERE alias_of IS NULL", {}, [&](const Row& row) {
    states[row.text(0)] = parse_run_state(row.text(1)).value();
  });
  return states;
}

std::string Checker::dump() {
  std::string text;
  database().each(
      "SELECT r.name, r.state, r.lease_epoch, r.reason, r.user_failures, r.infra_failures FROM run "
      "r",
      {}, [&](const Row& row) {
        text += fmt::format("  {} {} e{} failures {}+{} {}\n", row.text(0), row.text(1),
                            row.integer(2), row.integer(4), row.integer(5), row.text(3));
      });
  return text;
}

}  // namespace sarsweep::simulation
