#include "schema/config/shipped_protocols.h"

#include <algorithm>
#include <cctype>
#include <span>
#include <sstream>

#include "schema/base/embedded_file.h"
#include "schema/base/error.h"
#include "schema/config/fields.h"

namespace sarsweep {

std::span<const EmbeddedFile> protocol_files();  // Made from schema/config/protocols by the build.

namespace config {
namespace {

using nlohmann::json;

bool is_word(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
}

json parse_value(const std::string& text, const std::string& where) {
  json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!value.is_discarded()) return value;
  if (is_word(text)) return text;
  throw Error(ErrorCode::internal, where + ": '" + text + "' is neither JSON nor a word");
}

}  // namespace

json parse_protocol_file(const std::string& text, const std::string& name) {
  json block = json::object();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t colon = line.find(": ");
    const std::string key = line.substr(0, colon);
    if (colon == std::string::npos || !is_word(key) || block.contains(key)) {
      throw Error(ErrorCode::internal, "the shipped protocol " + name + " is broken: " + line);
    }
    const json value = parse_value(line.substr(colon + 2), name + ", " + key);
    const Field* field = find_field("eval." + key);
    block[key] = field == nullptr || value.is_null() ? value : canonical_value(*field, value);
  }
  return block;
}

const std::map<std::string, json>& shipped_protocols() {
  static const std::map<std::string, json> blocks = [] {
    std::map<std::string, json> read;
    for (const EmbeddedFile& file : protocol_files()) {
      const std::string name(file.name.substr(0, file.name.rfind('.')));
      read[name] = parse_protocol_file(std::string(file.content), name);
    }
    return read;
  }();
  return blocks;
}

}  // namespace config
}  // namespace sarsweep
