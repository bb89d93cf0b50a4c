#pragma once

#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "coordinator/sweep/yaml_node.h"
#include "schema/protocol/messages.h"

namespace sarsweep::sweep {

// Collects what is wrong with one sweep file. The same remark at the same place counts once.
class Diagnostics {
 public:
  static constexpr std::size_t kMost = 20;

  // `text` must outlive the object.
  Diagnostics(std::string file, std::string_view text);

  void error(Place place, std::string code, std::string message, std::string suggestion = {});
  void warning(Place place, std::string code, std::string message, std::string suggestion = {});
  // An error in the `index`th --set, which has no place in the file.
  void set_error(const std::string& setting, std::string code, std::string message,
                 std::string suggestion = {});

  // What was given for `field` could not be read: what depends on it is not judged.
  void misread(std::string field) { misread_.insert(std::move(field)); }
  bool is_misread(const std::string& field) const { return misread_.contains(field); }

  bool has_errors() const { return !errors_.empty(); }
  bool full() const { return errors_.size() >= kMost; }
  const std::string& file() const { return file_; }

  // At most kMost, errors before warnings where they do not all fit; in the order of the file.
  std::vector<Diagnostic> take();

 private:
  Diagnostic located(Place place) const;
  void add(std::vector<Diagnostic>& list, Diagnostic diagnostic);

  std::string file_;
  std::vector<std::string_view> lines_;
  std::vector<Diagnostic> errors_, warnings_;
  std::set<std::tuple<int, int, std::string>> seen_;
  std::set<std::string> misread_;
};

}  // namespace sarsweep::sweep
