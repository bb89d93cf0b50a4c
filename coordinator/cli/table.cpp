#include "coordinator/cli/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

#include "schema/base/log.h"

namespace sarsweep::cli {
namespace {

constexpr std::size_t kWidestCell = 500;

std::string padded(const std::string& text, std::size_t width, Table::Align align) {
  const std::string blanks(width - std::min(width, display_width(text)), ' ');
  return align == Table::Align::right ? blanks + text : text + blanks;
}

void append_row(std::string& out, const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& text : cells) line += (line.empty() ? "" : "  ") + text;
  line.erase(line.find_last_not_of(' ') + 1);
  out += line + "\n";
}

}  // namespace

std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;  // Not a continuation byte.
  }));
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add(std::vector<std::string> cells) {
  assert(cells.size() == columns_.size());
  for (std::string& text : cells) text = printable(text, kWidestCell);
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  if (rows_.empty()) return {};
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t width = display_width(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[c]));
    widths.push_back(width);
  }
  std::string out;
  std::vector<std::string> line(columns_.size());
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    line[c] = padded(columns_[c].title, widths[c], columns_[c].align);
  }
  append_row(out, line);
  for (const auto& row : rows_) {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      line[c] = padded(row[c], widths[c], columns_[c].align);
    }
    append_row(out, line);
  }
  return out;
}

std::string cell(const nlohmann::json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:.4g}", value.get<double>());
  return value.dump();
}

std::string cell(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? "-" : cell(*found);
}

std::string percent(const nlohmann::json& fraction) {
  return fraction.is_number() ? fmt::format("{:.0f} %", std::floor(fraction.get<double>() * 100))
                              : "-";
}

std::string size(const nlohmann::json& bytes) {
  if (!bytes.is_number()) return "-";
  double amount = bytes.get<double>();
  for (const char* unit : {"B", "kB", "MB", "GB"}) {
    if (amount < 999.5) return fmt::format("{:.3g} {}", amount, unit);
    amount /= 1000;
  }
  return fmt::format("{:.3g} TB", amount);
}

std::string duration(const nlohmann::json& seconds) {
  if (!seconds.is_number()) return "-";
  const auto total = static_cast<long>(seconds.get<double>() + 0.5);
  if (total < 60) return fmt::format("{} s", total);
  if (total < 3600) return fmt::format("{} min {:02} s", total / 60, total % 60);
  return fmt::format("{} h {:02} min", total / 3600, total / 60 % 60);
}

}  // namespace sarsweep::cli
