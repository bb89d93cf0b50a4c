#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/config/condition.h"
#include "schema/config/fields.h"

namespace sarsweep::config {

// A JSON value that never changes, and its canonical text. A copy shares both.
class Value {
 public:
  Value() = default;  // null
  explicit Value(nlohmann::json value);

  bool is_null() const { return entry_ == nullptr; }
  const nlohmann::json& json() const;
  const std::string& text() const;
  bool operator==(const Value& other) const {
    return entry_ == other.entry_ || text() == other.text();
  }

 private:
  struct Entry {
    nlohmann::json value;
    std::string text;
  };
  std::shared_ptr<const Entry> entry_;
};

// What a config says of each field of the table, flat. Copying it copies no value, so ten thousand
// runs that differ in one field hold little more than that field. A value of null is no value.
class RunValues {
 public:
  RunValues() = default;
  // Names that the table lacks are left out.
  explicit RunValues(const nlohmann::json& flat);

  bool contains(std::string_view field) const { return !at(field).is_null(); }
  // null where there is no value, or no such field.
  const Value& at(std::string_view field) const;
  const Value& at(const Field& field) const { return of(position(field)); }
  const nlohmann::json& operator[](std::string_view field) const { return at(field).json(); }

  // A null value takes the field away. Throws Error(internal) for a name that the table lacks.
  void set(const Field& field, Value value);
  void set(std::string_view field, Value value);

  nlohmann::json flat() const;
  // canonical_json() of flat(), of all fields or those of one class.
  std::string text() const;
  std::string text(FieldClass wanted) const;

  // Takes each value of `other` that it has none of.
  void complete_by(const RunValues& other);
  // Takes away each value that `other` lacks or holds otherwise.
  void keep_equal(const RunValues& other);
  // text() of the fields that `common` has no value for.
  std::string text_beyond(const RunValues& common) const;

 private:
  template <typename Wanted>
  std::string text_of(Wanted wanted) const;

  const Value& of(std::size_t position) const;

  std::vector<Value> values_;  // in the order of the table; empty until one is set
};

// with_defaults(), active_only() and combination_problems() of fields.h for values in this form.
RunValues with_defaults(RunValues given);
RunValues active_only(RunValues complete);
std::vector<Problem> combination_problems(const RunValues& complete);

// True if `active_when` of the field holds.
bool is_active(const Field& field, const RunValues& complete);
// The parsed `active_when`.
const Condition& activity(const Field& field);

}  // namespace sarsweep::config
