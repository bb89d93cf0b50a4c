#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/statistics_text.h"
#include "coordinator/cli/table.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;

std::string side_title(const json& side) {
  const std::string seeds = cell(side, "seeds");
  return cell(side, "name") + (seeds == "1" ? " (1 seed)" : " (" + seeds + " seeds)");
}

std::string estimate_cell(const json& side) {
  return with_error(side.value("mean", json()), side.value("low", json()),
                    side.value("high", json()));
}

void print_config(Session& session, const json& document) {
  std::vector<std::vector<std::string>> cells = {
      {"FIELD", cell(document["a"], "name"), cell(document["b"], "name")}};
  for (const json& row : document.value("config", json::array())) {
    cells.push_back({cell(row, "field"), cell(row, "a"), cell(row, "b")});
  }
  if (cells.size() > 1) session.out() << table_text(session, cells, {false, false, false}) << '\n';
}

void print_metrics(Session& session, const json& document) {
  std::vector<std::vector<std::string>> cells = {
      {"METRIC", side_title(document["a"]), side_title(document["b"]), "DIFFERENCE", "P", "FLOOR"}};
  const json floor = document.value("floor", json::object());
  const json metrics = document.value("metrics", json::object());
  for (const auto& [key, metric] : metrics.items()) {
    cells.push_back({key, estimate_cell(metric.value("a", json::object())),
                     estimate_cell(metric.value("b", json::object())), difference_text(metric),
                     cell(metric, "p"), cell(floor, key.c_str())});
  }
  if (cells.size() > 1) {
    session.out() << table_text(session, cells, {false, true, true, true, true, true});
  }
}

// Why there are no numbers, or no differences; empty if there are.
std::string reason(const json& document) {
  const json& a = document["a"];
  const json& b = document["b"];
  for (const json* side : {&a, &b}) {
    if (side->value("seeds", 0) == 0) return cell(*side, "name") + " has no finished run yet";
  }
  if (a.value("protocol_hash", json()) != b.value("protocol_hash", json())) {
    return "they were judged by different protocols, which cannot be compared";
  }
  for (const json& metric : document.value("metrics", json::object())) {
    if (!metric.value("delta", json()).is_null()) return "";
  }
  return "no seed is common to both, so nothing is paired";
}

}  // namespace

Exit diff(Session& session, const DiffOptions& options) {
  const json document = get_computed(session, "/api/v1/diff", {{"a", options.a}, {"b", options.b}});
  if (session.as_document() && !session.as_paper()) {
    session.print_document(document);
    return Exit::ok;
  }
  print_config(session, document);
  print_metrics(session, document);
  const std::string why = reason(document);
  session.err() << (why.empty() ? legend() : why) << '\n';
  return Exit::ok;
}

}  // namespace sarsweep::cli
