#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace sarsweep::cli {

// A table for people: columns padded to their widest cell, two spaces between, numbers to the
// right, no trailing blanks. Control characters in cells are shown escaped.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns);
  void add(std::vector<std::string> cells);  // as many as there are columns
  std::string text() const;                  // "" if there are no rows
  std::size_t rows() const { return rows_.size(); }

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns a text takes on a terminal: code points, which is right for all we print but CJK.
std::size_t display_width(const std::string& text);

// A JSON value in a table cell: text as it is, numbers with 4 significant digits, null as "-".
std::string cell(const nlohmann::json& value);
std::string cell(const nlohmann::json& object, const char* key);
std::string percent(const nlohmann::json& fraction);  // "42 %", "-"
std::string size(const nlohmann::json& bytes);        // "1.2 GB", "-"
std::string duration(const nlohmann::json& seconds);  // "1 h 05 min", "-"

}  // namespace sarsweep::cli
