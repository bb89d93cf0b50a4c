#include "coordinator/cli/statistics_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "coordinator/cli/table.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;

constexpr double kPoll_s = 0.3;
constexpr int kPollsUnsaid = 5;

bool is_number(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number();
}

// Decimals that leave two digits of the error; negative ones are none.
int decimals_of(double error) {
  if (!(error > 0)) return 4;
  const int decimals = 1 - static_cast<int>(std::floor(std::log10(error)));
  return std::clamp(decimals, 0, 15);
}

std::string decimal(double value, int decimals, bool sign) {
  return sign ? fmt::format("{:+.{}f}", value, decimals) : fmt::format("{:.{}f}", value, decimals);
}

// The interval lies about the value, so that one number says how far it goes to either side.
bool is_centred(double value, double low, double high) {
  return std::abs((low + high) / 2 - value) <= (high - low) / 8;
}

std::string measured(const json& value, const json& low, const json& high, bool sign) {
  if (!value.is_number()) return cell(value);
  const double number = value.get<double>();
  if (!low.is_number() || !high.is_number()) {
    return sign ? fmt::format("{:+.4g}", number) : fmt::format("{:.4g}", number);
  }
  const double from = low.get<double>();
  const double to = high.get<double>();
  const double half = (to - from) / 2;
  if (!(half > 0))
    return fmt::format("{} ± 0", sign ? fmt::format("{:+.4g}", number) : cell(value));
  // Very small and very large ones are shorter with an exponent.
  const bool exponent = half < 1e-4 || half >= 1e5;
  const int decimals = decimals_of(half);
  if (!is_centred(number, from, to)) {
    if (exponent) return fmt::format("{:.3g} [{:.3g}, {:.3g}]", number, from, to);
    return decimal(number, decimals, sign) + " [" + decimal(from, decimals, sign) + ", " +
           decimal(to, decimals, sign) + "]";
  }
  if (exponent) return fmt::format("{:.3g} ± {:.2g}", number, half);
  return decimal(number, decimals, sign) + " ± " + decimal(half, decimals, false);
}

std::string replaced(const std::string& text, const std::vector<std::pair<char, const char*>>& by) {
  std::string out;
  for (const char c : text) {
    const auto found =
        std::find_if(by.begin(), by.end(), [c](const auto& each) { return each.first == c; });
    if (found == by.end()) {
      out += c;
    } else {
      out += found->second;
    }
  }
  return out;
}

std::string tex(const std::string& text) {
  std::string escaped = replaced(text, {{'\\', "\\textbackslash{}"},
                                        {'&', "\\&"},
                                        {'%', "\\%"},
                                        {'$', "\\$"},
                                        {'#', "\\#"},
                                        {'_', "\\_"},
                                        {'{', "\\{"},
                                        {'}', "\\}"},
                                        {'~', "\\textasciitilde{}"},
                                        {'^', "\\textasciicircum{}"}});
  const std::string mark = "±";
  for (std::size_t at = escaped.find(mark); at != std::string::npos; at = escaped.find(mark, at)) {
    escaped.replace(at, mark.size(), "$\\pm$");
  }
  return escaped;
}

bool is_computing(const json& document) {
  if (document.is_object()) return document.value("computing", false);
  return std::any_of(document.begin(), document.end(),
                     [](const json& row) { return row.value("computing", false); });
}

}  // namespace

std::string with_error(const json& value, const json& low, const json& high) {
  return measured(value, low, high, false);
}

std::string stars(const json& p_holm) {
  if (!p_holm.is_number()) return "";
  const double p = p_holm.get<double>();
  return p < 0.001 ? "***" : p < 0.01 ? "**" : p < 0.05 ? "*" : "";
}

std::string difference_text(const json& metric) {
  if (!is_number(metric, "delta")) return "-";
  std::string text = measured(metric["delta"], metric.value("delta_low", json()),
                              metric.value("delta_high", json()), true);
  const std::string marks = stars(metric.value("p_holm", json()));
  if (!marks.empty()) return text + " " + marks;
  if (is_number(metric, "power_n")) return text + " (n " + cell(metric["power_n"]) + ")";
  if (is_number(metric, "power_seeds"))
    return text + " (" + cell(metric["power_seeds"]) + " seeds)";
  return text;
}

std::string rank_text(const json& row) {
  const std::string low = cell(row, "rank_low");
  const std::string high = cell(row, "rank_high");
  return low == high || low == "-" ? cell(row, "rank") : low + "-" + high;
}

std::string legend() {
  return "± and [low, high] 95 %; a rank is a range where cells tie; *, **, *** p < 0.05, 0.01, "
         "0.001 after Holm; "
         "(n …): images, or seeds, that would tell in four of five studies; with 1 seed the noise "
         "of the images alone";
}

std::string markdown_table(const std::vector<std::vector<std::string>>& cells) {
  std::string text;
  for (std::size_t r = 0; r < cells.size(); ++r) {
    text += "|";
    for (const std::string& each : cells[r]) {
      text += " " + replaced(each, {{'|', "\\|"}, {'*', "\\*"}, {'_', "\\_"}, {'\n', " "}}) + " |";
    }
    text += "\n";
    if (r > 0) continue;
    text += "|";
    for (std::size_t c = 0; c < cells[r].size(); ++c) text += " --- |";
    text += "\n";
  }
  return text;
}

std::string latex_table(const std::vector<std::vector<std::string>>& cells) {
  if (cells.empty()) return "";
  std::string text = "\\begin{tabular}{" + std::string(cells.front().size(), 'l') + "}\n\\hline\n";
  for (std::size_t r = 0; r < cells.size(); ++r) {
    for (std::size_t c = 0; c < cells[r].size(); ++c)
      text += (c == 0 ? "" : " & ") + tex(cells[r][c]);
    text += r == 0 ? " \\\\\n\\hline\n" : " \\\\\n";
  }
  return text + "\\hline\n\\end{tabular}\n";
}

std::string table_text(const Session& session, const std::vector<std::vector<std::string>>& cells,
                       const std::vector<bool>& numeric) {
  const Format format = session.preferences().format;
  if (format == Format::markdown) return markdown_table(cells);
  if (format == Format::latex) return latex_table(cells);
  std::vector<Table::Column> columns;
  for (std::size_t c = 0; c < cells.front().size(); ++c) {
    columns.push_back({cells.front()[c], numeric[c] ? Table::Align::right : Table::Align::left});
  }
  Table table(columns);
  for (std::size_t r = 1; r < cells.size(); ++r) table.add(cells[r]);
  return table.text();
}

json get_computed(Session& session, const std::string& path, const client::Query& query) {
  for (int polls = 0;; ++polls) {
    json document = get_document(session, path, query);
    if (!is_computing(document)) return document;
    if (polls == kPollsUnsaid) session.err() << "computing intervals …\n";
    if (!session.pause_for(kPoll_s)) return document;
  }
}

}  // namespace sarsweep::cli
