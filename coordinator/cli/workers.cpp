#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/table.h"
#include "schema/protocol/messages.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;

std::string runs_on(const json& worker) {
  std::vector<std::string> names;
  for (const json& slot : worker.at("slots")) {
    const std::string name = cell(slot, "run_name");
    if (name != "-" && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  }
  return names.empty() ? "-" : fmt::format("{}", fmt::join(names, " "));
}

std::string remark_on(const json& worker) {
  std::vector<std::string> remarks;
  if (worker.at("drain") != "none") remarks.push_back("drained by " + cell(worker, "drained_by"));
  if (worker.at("draining").get<bool>()) remarks.emplace_back("about to leave");
  for (const json& slot : worker.at("slots")) {
    const std::string resting = slot.value("resting", "");
    if (!resting.empty()) remarks.push_back(cell(slot, "device") + " rests: " + resting);
  }
  return fmt::format("{}", fmt::join(remarks, "; "));
}

std::string worker_table(const json& workers) {
  Table table(
      {{"WORKER"}, {"HOST"}, {"STATE"}, {"SLOTS", Table::Align::right}, {"RUNS"}, {"REMARK"}});
  for (const json& worker : workers) {
    table.add({cell(worker, "name"), cell(worker, "host"), cell(worker, "state"),
               std::to_string(worker.at("slots").size()), runs_on(worker), remark_on(worker)});
  }
  return table.text();
}

const json& find_worker(const json& workers, const std::string& name) {
  std::vector<std::string> known;
  for (const json& worker : workers) {
    if (worker.at("name") == name || worker.at("id") == name) return worker;
    known.push_back(worker.at("name"));
  }
  throw Error(ErrorCode::not_found,
              fmt::format("no worker is called '{}'; {}", name,
                          known.empty() ? "none has ever registered: sarsweep worker"
                                        : fmt::format("there are {}", fmt::join(known, ", "))));
}

// Those that are named; with --all those that are there, or of which somebody wants something.
json chosen(Session& session, const WorkerOptions& options) {
  const json workers = get_document(session, "/api/v1/workers");
  json some = json::array();
  for (const std::string& name : options.names) some.push_back(find_worker(workers, name));
  if (!options.all) return some;
  std::copy_if(workers.begin(), workers.end(), std::back_inserter(some), [](const json& worker) {
    return worker.at("state") != "gone" || worker.at("drain") != "none";
  });
  return some;
}

void tell(Session& session, const json& reply) {
  const std::string name = cell(reply, "name"), drain = cell(reply, "drain");
  const auto runs = reply.at("runs").get<std::vector<std::string>>();
  const std::string on_it = fmt::format("{}", fmt::join(runs, ", "));
  if (drain == "none") {
    session.err() << name << ": takes runs" << (reply.at("undo").is_null() ? "" : " again") << '\n';
  } else if (runs.empty()) {
    session.err() << name << ": takes no new runs, and has none\n";
  } else if (drain == "now") {
    session.err() << fmt::format("{}: takes no new runs; saving, to go on elsewhere: {}\n", name,
                                 on_it);
  } else {
    session.err() << fmt::format("{}: takes no new runs; ending there: {}\n", name, on_it);
  }
  if (!reply.at("undo").is_null()) session.err() << "undo: " << cell(reply, "undo") << '\n';
}

}  // namespace

Exit worker_ls(Session& session) {
  const json workers = get_document(session, "/api/v1/workers");
  if (session.as_document()) {
    session.print_document(workers);
  } else if (workers.empty()) {
    session.err() << "no worker has ever registered; start one: sarsweep worker\n";
  } else {
    session.out() << worker_table(workers);
  }
  return Exit::ok;
}

Exit worker_change(Session& session, const WorkerOptions& options, const std::string& verb) {
  const json body = options.now ? json{{"now", true}} : json::object();
  json changed = json::array();
  for (const json& worker : chosen(session, options)) {
    changed.push_back(client::value_or_throw(session.api().post(
        fmt::format("/api/v1/workers/{}/{}", worker.at("id").get<std::string>(), verb), body)));
    tell(session, changed.back());
  }
  if (session.as_document()) session.print_document(changed);
  if (changed.empty()) session.err() << "no worker is there\n";
  return changed.empty() ? Exit::not_found : Exit::ok;
}

}  // namespace sarsweep::cli
