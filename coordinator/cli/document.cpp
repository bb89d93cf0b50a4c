#include "coordinator/cli/document.h"

#include <map>
#include <utility>
#include <vector>

#include "schema/base/error.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;
using Cells = std::vector<std::pair<std::string, std::string>>;  // column, value

constexpr int kIndent = 2;
constexpr const char* kBareValue = "value";  // the column of what is no object

void flatten(const json& value, const std::string& path, Cells& cells) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items()) {
      flatten(inner, path.empty() ? key : path + "." + key, cells);
    }
    return;
  }
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (value.is_null()) text.clear();
  cells.emplace_back(path.empty() ? kBareValue : path, std::move(text));
}

std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string out = "\"";
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

std::string line_of(const std::vector<std::string>& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i) line += (i == 0 ? "" : ",") + quoted(fields[i]);
  return line + "\r\n";
}

json elements_of(const json& document) {
  return document.is_array() ? document : json::array({document});
}

std::string csv_of(const json& elements) {
  std::vector<std::string> columns;
  std::map<std::string, std::size_t> place;
  std::vector<Cells> rows;
  for (const json& element : elements) {
    flatten(element, "", rows.emplace_back());
    for (const auto& [column, value] : rows.back()) {
      if (place.try_emplace(column, columns.size()).second) columns.push_back(column);
    }
  }
  if (columns.empty()) return "";
  std::string text = line_of(columns);
  for (const Cells& row : rows) {
    std::vector<std::string> fields(columns.size());
    for (const auto& [column, value] : row) fields[place.at(column)] = value;
    text += line_of(fields);
  }
  return text;
}

}  // namespace

std::string render(const json& document, Format format) {
  if (format == Format::markdown || format == Format::latex) {
    throw Error(ErrorCode::invalid, "-o markdown and latex are for leaderboard and diff", "output");
  }
  if (format == Format::csv) return csv_of(elements_of(document));
  if (format != Format::jsonl) return document.dump(kIndent) + "\n";
  std::string text;
  for (const json& element : elements_of(document)) text += element.dump() + "\n";
  return text;
}

}  // namespace sarsweep::cli
