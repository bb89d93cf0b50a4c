#pragma once

#include <memory>
#include <mutex>
#include <string>

#include <nlohmann/json.hpp>

namespace sarsweep::coordinator {

// JSON text that many rows share, parsed when it is first asked for: most reads of a run want its
// state alone. Thread-safe.
class CommonJson {
 public:
  explicit CommonJson(std::string text) : text_(std::move(text)) {}
  const nlohmann::json& parsed() const;

 private:
  const std::string text_;
  mutable std::once_flag once_;
  mutable nlohmann::json parsed_;
};

// A JSON object in two parts without a common key: what one row holds alone, and what it shares
// with the rows it was written with. Ten thousand runs of a grid differ in a few fields each.
struct SharedJson {
  std::string own = "{}";
  std::shared_ptr<const CommonJson> common = {};  // nullptr: nothing

  nlohmann::json whole() const;
  // The value of one key; null where neither part has it.
  nlohmann::json value(const std::string& key) const;
};

}  // namespace sarsweep::coordinator
