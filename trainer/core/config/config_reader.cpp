#include "trainer/core/config/config_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr long long kGreatestInteger = 1 << 24;

}  // namespace

ConfigReader::ConfigReader(const json& document, const char* what)
    : document_(document), what_(what) {
  if (!document.is_object()) refuse("is no JSON object");
}

void ConfigReader::refuse(const std::string& why) const {
  throw Error(ErrorCode::invalid, fmt::format("{} configuration: {}", what_, why));
}

bool ConfigReader::has(const char* key) const {
  const auto found = document_.find(key);
  return found != document_.end() && !found->is_null();
}

const json& ConfigReader::get(const char* key) const {
  if (!has(key)) refuse(fmt::format("{} is missing", key));
  return document_.at(key);
}

int ConfigReader::integer(const char* key, int low) const {
  const json& value = get(key);
  if (!value.is_number_integer() || value.get<long long>() < low ||
      value.get<long long>() > kGreatestInteger) {
    refuse(fmt::format("{} must be an integer >= {} (got {})", key, low, value.dump()));
  }
  return value.get<int>();
}

int ConfigReader::integer_or(const char* key, int fallback, int low) const {
  return has(key) ? integer(key, low) : fallback;
}

double ConfigReader::positive_or(const char* key, double fallback) const {
  if (!has(key)) return fallback;
  const json& value = get(key);
  if (!value.is_number() || value.get<double>() <= 0) {
    refuse(fmt::format("{} must be a positive number (got {})", key, value.dump()));
  }
  return value.get<double>();
}

std::string ConfigReader::text_or(const char* key, const std::string& fallback) const {
  if (!has(key)) return fallback;
  if (!get(key).is_string()) refuse(fmt::format("{} must be text (got {})", key, get(key).dump()));
  return get(key).get<std::string>();
}

std::vector<int> ConfigReader::integers(const char* key) const {
  const json& value = get(key);
  if (!value.is_array() || value.empty()) {
    refuse(fmt::format("{} must be a list of integers (got {})", key, value.dump()));
  }
  std::vector<int> list;
  for (const json& item : value) {
    if (!item.is_number_integer() || item.get<long long>() < 1 ||
        item.get<long long>() > kGreatestInteger) {
      refuse(fmt::format("{} must hold integers >= 1 (got {})", key, value.dump()));
    }
    list.push_back(item.get<int>());
  }
  return list;
}

std::vector<int> ConfigReader::integers_per_level(const char* key, std::size_t count) const {
  if (!get(key).is_array()) return std::vector<int>(count, integer(key));
  std::vector<int> list = integers(key);
  if (list.size() != count) {
    refuse(fmt::format("{} has {} entries for {} levels", key, list.size(), count));
  }
  return list;
}

std::vector<std::string> ConfigReader::block_types(const char* key, std::size_t count,
                                                   const std::vector<std::string>& known) const {
  const json& value = get(key);
  if (!value.is_array() || value.size() != count) {
    refuse(fmt::format("{} must name {} blocks (got {})", key, count, value.dump()));
  }
  std::vector<std::string> list;
  for (const json& item : value) {
    if (std::find(known.begin(), known.end(), item) == known.end()) {
      refuse(fmt::format("{} holds {}; supported: {}", key, item.dump(), fmt::join(known, ", ")));
    }
    list.push_back(item.get<std::string>());
  }
  return list;
}

void ConfigReader::require_fixed(const std::vector<FixedKey>& keys) const {
  for (const FixedKey& fixed_key : keys) {
    const auto found = document_.find(fixed_key.key);
    const json& value = found == document_.end() ? fixed_key.fallback : *found;
    const bool null_for_false = value.is_null() && fixed_key.required == false;
    if (value != fixed_key.required && !null_for_false) {
      refuse(fmt::format("{} = {} is not supported, only {}", fixed_key.key, value.dump(),
                         fixed_key.required.dump()));
    }
  }
}

}  // namespace sarsweep::trainer
