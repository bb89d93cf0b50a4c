#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace sarsweep::sweep {

// Where something stands in the file: line and byte column from 1, bytes to underline. Line 0:
// nowhere.
struct Place {
  int line = 0;
  int col = 0;
  int length = 1;
};

struct YamlEntry;

// A parsed YAML document. Scalars are typed (typed_scalar.h); lists and maps keep the file's order.
struct YamlNode {
  enum class Kind { scalar, list, map };

  Kind kind = Kind::scalar;
  Place place;
  nlohmann::json scalar;
  std::vector<YamlNode> items;
  std::vector<YamlEntry> entries;

  bool is_map() const { return kind == Kind::map; }
  bool is_list() const { return kind == Kind::list; }
  bool is_null() const { return kind == Kind::scalar && scalar.is_null(); }
  bool is_text() const { return kind == Kind::scalar && scalar.is_string(); }
};

struct YamlEntry {
  std::string key;
  Place place;  // of the key
  YamlNode value;
};

const YamlEntry* find_entry(const YamlNode& map, std::string_view key);  // nullptr: absent

// The plain value, places dropped.
nlohmann::json to_json(const YamlNode& node);

}  // namespace sarsweep::sweep
