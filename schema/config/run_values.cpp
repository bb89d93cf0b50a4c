#include "schema/config/run_values.h"

#include <algorithm>
#include <span>

#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::config {
namespace {

using nlohmann::json;

const Value kNoValue;

struct Key {
  std::size_t field;
  std::string text;  // "\"unet.lr\":"
};

// The order of canonical JSON.
std::span<const Key> sorted_keys() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> all;
    for (std::size_t i = 0; i < fields().size(); ++i) {
      all.push_back({i, canonical_json(std::string(fields()[i].name)) + ":"});
    }
    std::sort(all.begin(), all.end(), [](const Key& a, const Key& b) {
      return fields()[a.field].name < fields()[b.field].name;
    });
    return all;
  }();
  return keys;
}

}  // namespace

Value::Value(nlohmann::json value) {
  if (value.is_null()) return;
  std::string text = canonical_json(value);
  entry_ = std::make_shared<const Entry>(Entry{std::move(value), std::move(text)});
}

const json& Value::json() const {
  static const nlohmann::json null;
  return entry_ == nullptr ? null : entry_->value;
}

const std::string& Value::text() const {
  static const std::string null = "null";
  return entry_ == nullptr ? null : entry_->text;
}

RunValues::RunValues(const json& flat) {
  for (const auto& [name, value] : flat.items()) {
    if (const Field* field = find_field(name)) set(*field, Value(value));
  }
}

const Value& RunValues::at(std::string_view field) const {
  const Field* found = find_field(field);
  return found == nullptr ? kNoValue : at(*found);
}

const Value& RunValues::of(std::size_t position) const {
  return values_.empty() ? kNoValue : values_[position];
}

void RunValues::set(const Field& field, Value value) {
  if (values_.empty()) values_.resize(fields().size());
  values_[position(field)] = std::move(value);
}

void RunValues::set(std::string_view field, Value value) {
  const Field* found = find_field(field);
  if (found == nullptr) {
    throw Error(ErrorCode::internal, std::string(field) + " is not a field", std::string(field));
  }
  set(*found, std::move(value));
}

json RunValues::flat() const {
  json flat = json::object();
  for (const Key& key : sorted_keys()) {
    const Value& value = of(key.field);
    if (!value.is_null()) flat[std::string(fields()[key.field].name)] = value.json();
  }
  return flat;
}

template <typename Wanted>
std::string RunValues::text_of(Wanted wanted) const {
  std::string text = "{";
  const std::span<const Field> table = fields();
  for (const Key& key : sorted_keys()) {
    const Value& value = of(key.field);
    if (value.is_null() || !wanted(table[key.field])) continue;
    if (text.size() > 1) text += ',';
    text += key.text;
    text += value.text();
  }
  return text + '}';
}

std::string RunValues::text() const {
  return text_of([](const Field&) { return true; });
}

void RunValues::complete_by(const RunValues& other) {
  if (values_.empty()) values_ = other.values_;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (values_[i].is_null()) values_[i] = other.of(i);
  }
}

void RunValues::keep_equal(const RunValues& other) {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (!(values_[i] == other.of(i))) values_[i] = Value();
  }
}

std::string RunValues::text_beyond(const RunValues& common) const {
  return text_of([&](const Field& field) { return common.at(field).is_null(); });
}

std::string RunValues::text(FieldClass wanted) const {
  return text_of([&](const Field& field) { return field.field_class == wanted; });
}

}  // namespace sarsweep::config
