#include "coordinator/cli/selection.h"

#include <set>

namespace sarsweep::cli {
namespace {

constexpr std::size_t kPage = 1000;

}  // namespace

void narrow(client::Query& query, const char* key, const std::string& value) {
  if (!value.empty()) query.emplace_back(key, value);
}

client::Query query_of(const std::string& selector, const std::string& state,
                       const std::string& where) {
  client::Query query;
  narrow(query, "selector", selector);
  narrow(query, "state", state);
  narrow(query, "where", where);
  return query;
}

std::vector<nlohmann::json> fetch_runs(Session& session, const client::Query& query) {
  std::vector<nlohmann::json> runs;
  std::string after;
  for (;;) {
    client::Query page = query;
    page.emplace_back("limit", std::to_string(kPage));
    if (!after.empty()) page.emplace_back("after", after);
    const nlohmann::json reply = get_document(session, "/api/v1/runs", page);
    for (const auto& run : reply) runs.push_back(run);
    if (reply.size() < kPage) return runs;
    after = runs.back().at("id");
  }
}

std::vector<nlohmann::json> select_runs(Session& session, const Selection& selection) {
  std::vector<nlohmann::json> selected;
  std::set<std::string> seen;
  std::vector<std::string> selectors = selection.selectors;
  if (selectors.empty()) selectors = {""};  // all of them
  for (const std::string& selector : selectors) {
    for (const auto& run :
         fetch_runs(session, query_of(selector, selection.state, selection.where))) {
      if (seen.insert(run.at("id")).second) selected.push_back(run);
    }
  }
  if (selected.empty()) {
    throw Error(ErrorCode::not_found, "no run matches; to see them: sarsweep ls");
  }
  return selected;
}

nlohmann::json select_run(Session& session, const std::string& selector) {
  const auto runs = select_runs(session, Selection{{selector}});
  if (runs.size() > 1) {
    throw Error(ErrorCode::invalid, "'" + selector + "' names " + std::to_string(runs.size()) +
                                        " runs; name one, such as " +
                                        runs.front().at("name").get<std::string>());
  }
  return runs.front();
}

std::string sweep_name(const std::string& argument) {
  return argument.rfind('@', 0) == 0 ? argument.substr(1) : argument;
}

}  // namespace sarsweep::cli
