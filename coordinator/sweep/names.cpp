#include "coordinator/sweep/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "coordinator/sweep/layer_reader.h"
#include "coordinator/sweep/words.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/config/field_value.h"

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestName = 63;
constexpr std::uint64_t kNumbers = 9;

std::uint64_t leading_bits(const std::string& hex) {
  return std::stoull(hex.substr(0, 15), nullptr, 16);
}

std::string value_of(const std::string& name, const config::RunValues& config) {
  std::string value;
  for (const std::string& field : config::spread(name)) {
    const json& found = config[field];
    const std::string part = found.is_null() ? "" : config::display(found);
    if (value.empty()) {
      value = part;
    } else if (part != value && !part.empty()) {
      value += "-" + part;
    }
  }
  return value;
}

}  // namespace

std::string memorable_name(const std::string& study, const std::string& cell_hash,
                           std::unordered_set<std::string>& taken) {
  std::uint64_t bits = leading_bits(sha256(study + "\n" + cell_hash));
  const auto first = first_words();
  const auto second = second_words();
  const std::string_view left = first[bits % first.size()];
  bits /= first.size();
  const std::string_view right = second[bits % second.size()];
  bits /= second.size();
  for (std::uint64_t number = bits % kNumbers + 1;; ++number) {
    std::string name = fmt::format("{}-{}-{}", left, right, number);
    if (taken.insert(name).second) return name;
  }
}

std::string as_name(std::string text) {
  for (char& c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!plain) c = '-';
  }
  text = text.substr(0, kLongestName);
  const std::size_t first = text.find_first_not_of('-');
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of('-') - first + 1);
}

std::string nearest_name(const std::string& written, const std::vector<std::string>& candidates) {
  constexpr std::size_t kLongest = 63;  // bounds the work on hostile input
  if (written.size() > kLongest) return {};
  std::string nearest;
  int least = 3;
  for (const std::string& candidate : candidates) {
    const int distance = config::edit_distance(candidate, written);
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

std::string fill_template(const std::string& text, const config::RunValues& config) {
  std::string filled;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t open = text.find('{', at);
    filled += text.substr(at, open == std::string::npos ? open : open - at);
    if (open == std::string::npos) break;
    const std::size_t close = text.find('}', open);
    if (close == std::string::npos)
      throw Error(ErrorCode::invalid, "the name template has an open {");
    const std::string field = text.substr(open + 1, close - open - 1);
    if (!LayerReader::is_field(field)) {
      throw Error(ErrorCode::invalid, "the name template uses the unknown field '" + field + "'",
                  field);
    }
    filled += value_of(field, config);
    at = close + 1;
  }
  return as_name(filled);
}

}  // namespace sarsweep::sweep
