#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/sweep/diagnostics.h"
#include "coordinator/sweep/setting.h"
#include "schema/config/fields.h"
#include "schema/protocol/messages.h"

namespace sarsweep::sweep {

// Turns maps of the file, and --set, into layers of checked settings. Problems go to the
// diagnostics; what is wrong is left out of the layer.
class LayerReader {
 public:
  LayerReader(const SweepSource& source, Diagnostics& diagnostics)
      : source_(source), diagnostics_(diagnostics) {}

  // The fields of a map, nested or dotted. `prefix` is the group the map stands in; keys in `skip`
  // belong to the caller.
  Layer read(const YamlNode& map, const std::string& prefix = {},
             const std::vector<std::string_view>& skip = {});

  // One value of a field named by `key` (text_encoders.X gives two settings); empty if it is wrong.
  Layer settings(const std::string& dotted, Place key, const YamlNode& value);

  // model.path as `parent: NAME` or `parent: {best: STUDY}` says it.
  Layer parent(const YamlEntry& entry);

  // All of --set, in order: later ones win.
  Layer set_layer();

  // True if the table has the field, or text_encoders stands for it.
  static bool is_field(const std::string& dotted);
  static bool is_group(const std::string& dotted);
  void report_unknown(const std::string& dotted, const std::string& written, Place key);

  Diagnostics& diagnostics() { return diagnostics_; }
  const std::vector<std::string>& needs_files() const { return needs_files_; }

 private:
  void read_into(const YamlNode& map, const std::string& prefix,
                 const std::vector<std::string_view>& skip, Layer& layer);
  void add(Layer found, Layer& layer);
  nlohmann::json prompts_of_file(const std::string& path);
  void add_set(const std::string& text, Layer& layer);
  Layer settings_of_set(const std::string& name, const std::string& text, const YamlNode& node);
  std::string origin(Place place) const;

  const SweepSource& source_;
  Diagnostics& diagnostics_;
  std::vector<std::string> needs_files_;
};

}  // namespace sarsweep::sweep
