#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

// The small language of `when.if`, `--where` and Field::active_when: `field op value`, joined by
// `and`.
namespace sarsweep::config {

enum class Comparison { equal, not_equal, less, at_most, greater, at_least, in };

struct Clause {
  std::string field;
  Comparison comparison = Comparison::equal;
  nlohmann::json value;  // of `in`: an array
};

using Condition = std::vector<Clause>;  // all must hold; empty: always holds

// Values are numbers, true, false, or text with or without quotes; `in` takes `[a, b]`. Throws
// Error(invalid) that says what is missing.
Condition parse_condition(std::string_view text);

// The value of a field, null where it is absent.
using FieldLookup = std::function<nlohmann::json(const std::string& field)>;

// The value of a field, or of text_encoders.X where both have the same; else null.
nlohmann::json joint_value(const std::string& field, const FieldLookup& lookup);

// An absent field makes only `!=` true. Text and numbers are never equal; texts have no order.
bool holds(const Condition& condition, const FieldLookup& lookup);
// Of one clause and the value of its field.
bool holds(const Clause& clause, const nlohmann::json& actual);

}  // namespace sarsweep::config
