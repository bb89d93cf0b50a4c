#include "coordinator/sweep/file_protocols.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "coordinator/sweep/protocol.h"
#include "coordinator/sweep/sweep_file.h"
#include "schema/config/field_value.h"

namespace sarsweep::sweep {
namespace {

constexpr const char* kCure = "write protocols: {mine: {like: mini-v1, per_label: 20}}";
constexpr const char* kDefault = "sar-v1";

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class ProtocolReader {
 public:
  explicit ProtocolReader(LayerReader& layers)
      : layers_(layers), diagnostics_(layers.diagnostics()), shipped_(protocol_names()) {}

  FileProtocol read(const YamlEntry& entry) {
    check_name(entry);
    FileProtocol protocol{entry.key, kDefault, {}};
    if (!entry.value.is_map()) {
      diagnostics_.error(entry.value.place, "wrong_type",
                         "the protocol '" + entry.key + "' must be a map (got " +
                             config::describe(to_json(entry.value)) + ")",
                         kCure);
      return protocol;
    }
    if (const YamlEntry* like = find_entry(entry.value, "like")) protocol.like = read_like(*like);
    for (const SharedSetting& setting : layers_.read(entry.value, "eval", {"like"})) {
      if (is_protocol_field(setting->field)) {
        protocol.values.push_back(setting);
      } else {
        diagnostics_.error(setting->key, "unknown_key",
                           setting->field + " says when to evaluate, not how; a protocol has: " +
                               fmt::format("{}", fmt::join(protocol_keys(), ", ")),
                           "move it under base");
      }
    }
    return protocol;
  }

 private:
  void check_name(const YamlEntry& entry) {
    if (!is_name(entry.key)) {
      diagnostics_.error(
          entry.place, "bad_name",
          "the protocol name '" + entry.key + "' may hold a-z, 0-9 and -, at most 63",
          "write a name such as sar-32bins");
    } else if (contains(shipped_, entry.key)) {
      diagnostics_.error(entry.place, "duplicate_name",
                         "'" + entry.key + "' is a shipped protocol, and a name means one thing",
                         "choose another name, with like: " + entry.key);
    }
  }

  std::string read_like(const YamlEntry& like) {
    const std::string name = like.value.is_text() ? like.value.scalar.get<std::string>() : "";
    if (contains(shipped_, name)) return name;
    diagnostics_.error(
        like.value.place, "unknown_protocol",
        "like must name a shipped protocol (got " + config::describe(to_json(like.value)) + ")",
        fmt::format("write like: {}", fmt::join(shipped_, " or ")));
    return kDefault;
  }

  LayerReader& layers_;
  Diagnostics& diagnostics_;
  std::vector<std::string> shipped_;
};

}  // namespace

std::vector<FileProtocol> read_file_protocols(const YamlEntry& entry, LayerReader& layers) {
  std::vector<FileProtocol> protocols;
  if (!entry.value.is_map()) {
    layers.diagnostics().error(entry.value.place, "wrong_type",
                               "protocols must be a map of named protocols (got " +
                                   config::describe(to_json(entry.value)) + ")",
                               kCure);
    return protocols;
  }
  ProtocolReader reader(layers);
  for (const YamlEntry& named : entry.value.entries) protocols.push_back(reader.read(named));
  return protocols;
}

void apply_file_protocol(Row& row, const std::vector<FileProtocol>& protocols) {
  const Setting* given = row.find("eval.protocol");
  if (given == nullptr) return;
  const auto found = std::find_if(
      protocols.begin(), protocols.end(),
      [&](const FileProtocol& protocol) { return protocol.name == given->value.json(); });
  if (found == protocols.end()) return;
  Setting shipped = *given;
  shipped.value = config::Value(nlohmann::json(found->like));
  Layer layer = {std::make_shared<const Setting>(std::move(shipped))};
  for (const SharedSetting& value : found->values) {
    if (row.find(value->field) == nullptr) layer.push_back(value);
  }
  row.apply(layer);
}

}  // namespace sarsweep::sweep
