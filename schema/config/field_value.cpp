#include "schema/config/field_value.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "schema/config/duration.h"
#include "schema/config/fields.h"
#include "schema/config/size.h"

namespace sarsweep::config {
namespace {

using nlohmann::json;
using Fault = std::optional<std::string>;

constexpr double kLargestWhole = 9007199254740992.0;  // 2^53: whole numbers up to here are exact

// What the writer of a text such as 010, 1_000 or no probably meant, or empty.
std::string intended(const std::string& text, FieldType type) {
  if (type == FieldType::boolean) {
    const bool yes = text == "yes" || text == "on" || text == "True" || text == "TRUE";
    const bool no = text == "no" || text == "off" || text == "False" || text == "FALSE";
    return yes ? "true" : no ? "false" : "";
  }
  const bool numeric =
      type == FieldType::integer || type == FieldType::number || type == FieldType::interval;
  if (!numeric) return {};
  std::string digits;
  for (const char c : text) {
    if (c == '_' || (c == '0' && digits.empty())) continue;
    if (c < '0' || c > '9') return {};
    digits.push_back(c);
  }
  return digits;
}

std::string type_fault(std::string_view wanted, const json& value) {
  return fmt::format("must be {} (got {})", wanted, describe(value));
}

Fault range_fault(const Field& field, double value) {
  if (!std::isfinite(value)) return "must be a finite number";
  const bool low = field.low && (value < *field.low || (field.low_open && value == *field.low));
  if (!low && !(field.high && value > *field.high)) return std::nullopt;
  const std::string above = field.low_open ? "above " : "at least ";
  const std::string bounds =
      field.low && field.high && !field.low_open
          ? fmt::format("between {} and {}", display(*field.low), display(*field.high))
      : low ? above + display(*field.low)
            : "at most " + display(*field.high);
  return fmt::format("must be {} (got {})", bounds, display(value));
}

Fault choice_fault(const Field& field, const json& value) {
  const std::string text = display(value);
  const bool legal = value.is_string() && std::find(field.choices.begin(), field.choices.end(),
                                                    text) != field.choices.end();
  if (legal) return std::nullopt;
  return fmt::format("must be one of {} (got '{}')", fmt::join(field.choices, ", "), text);
}

bool is_whole(const json& value) {
  if (!value.is_number()) return false;
  const double number = value.get<double>();
  return std::abs(number) <= kLargestWhole && number == std::floor(number);
}

Fault integer_fault(const Field& field, const json& value) {
  if (value.is_string() && std::find(field.choices.begin(), field.choices.end(),
                                     value.get<std::string>()) != field.choices.end()) {
    return std::nullopt;
  }
  const std::string words =
      field.choices.empty() ? "" : fmt::format(" or {}", fmt::join(field.choices, ", "));
  if (!is_whole(value)) return type_fault("a whole number" + words, value);
  return range_fault(field, value.get<double>());
}

bool is_epochs(const std::string& text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = std::string_view(text).substr(digits);
  return digits > 0 && digits < 7 && text[0] != '0' && (unit == "epochs" || unit == "epoch");
}

Fault interval_fault(const Field& field, const json& value) {
  if (value.is_string() && is_epochs(value.get<std::string>())) return std::nullopt;
  if (!is_whole(value)) return type_fault("a number of updates, or such as 2epochs", value);
  return range_fault(field, value.get<double>());
}

Fault duration_fault(const json& value) {
  if (value.is_string() && parse_duration(value.get<std::string>())) return std::nullopt;
  return type_fault("a time such as 12h, 1h30m or 45s", value);
}

Fault size_fault(const json& value) {
  if (value.is_string() && parse_size(value.get<std::string>())) return std::nullopt;
  return type_fault("a size such as 70GiB, 24GB or 512MiB", value);
}

Fault list_fault(const Field& field, const json& value) {
  if (!value.is_array()) return type_fault("a list", value);
  const bool shown = field.default_value.is_array() && !field.default_value.empty() &&
                     field.default_value.front().is_number();
  const bool numbers = shown || field.low;
  if (shown && value.size() != field.default_value.size()) {
    return fmt::format("must hold {} numbers (got {})", field.default_value.size(), value.size());
  }
  if (numbers && value.empty()) return "must hold a number (got an empty list)";
  for (const json& item : value) {
    if (numbers ? !item.is_number() : !item.is_string()) {
      return fmt::format("must be a list of {} (it holds {})", numbers ? "numbers" : "texts",
                         describe(item));
    }
    if (!numbers) continue;
    if (Fault fault = range_fault(field, item.get<double>())) return fault;
  }
  return std::nullopt;
}

Fault map_fault(const json& value) {
  if (!value.is_object()) return type_fault("a map of texts", value);
  for (const auto& [key, item] : value.items()) {
    if (!item.is_string()) return fmt::format("'{}' must be a text (got {})", key, describe(item));
  }
  return std::nullopt;
}

Fault model_fault(const json& value) {
  if (value.is_string() && !value.get<std::string>().empty()) return std::nullopt;
  if (!value.is_object()) return type_fault("a path or {run: NAME}", value);
  for (const auto& [key, item] : value.items()) {
    if (key != "run" && key != "checkpoint")
      return "has the unknown key '" + key + "'; legal: run, checkpoint";
    if (!item.is_string()) return fmt::format("'{}' must be a text (got {})", key, describe(item));
  }
  if (!value.contains("run")) return "needs the key run: the parent's name";
  const std::string checkpoint = value.value("checkpoint", "last");
  if (checkpoint == "last" || checkpoint == "best") return std::nullopt;
  return "'checkpoint' must be one of last, best (got '" + checkpoint + "')";
}

const std::vector<std::string>& stretch_words() {
  static const std::vector<std::string> words = {"none", "mean3sigma", "sqrt", "log"};
  return words;
}

Fault stretch_fault(const json& value) {
  constexpr std::string_view kWords = "none, mean3sigma, sqrt, log or {lo, hi}";
  if (value.is_string()) {
    const std::string word = value.get<std::string>();
    const auto& words = stretch_words();
    if (std::find(words.begin(), words.end(), word) != words.end()) return std::nullopt;
    return fmt::format("must be one of {} (got '{}')", kWords, word);
  }
  const bool bounds = value.is_object() && value.size() == 2 && value.contains("lo") &&
                      value.contains("hi") && value["lo"].is_number() && value["hi"].is_number();
  if (!bounds) return fmt::format("must be one of {} (got {})", kWords, describe(value));
  if (value["lo"].get<double>() < value["hi"].get<double>()) return std::nullopt;
  return "lo must lie below hi";
}

Fault legal_fault(const Field& field, const json& value) {
  switch (field.type) {
    case FieldType::boolean:
      if (value.is_boolean()) return std::nullopt;
      return type_fault("true or false", value);
    case FieldType::integer: return integer_fault(field, value);
    case FieldType::number:
      if (!value.is_number()) return type_fault("a number", value);
      return range_fault(field, value.get<double>());
    case FieldType::text:
      if (value.is_string()) return std::nullopt;
      return type_fault("a text", value);
    case FieldType::choice: return choice_fault(field, value);
    case FieldType::path:
      if (value.is_string() && !value.get<std::string>().empty()) return std::nullopt;
      return type_fault("a path", value);
    case FieldType::interval: return interval_fault(field, value);
    case FieldType::duration: return duration_fault(value);
    case FieldType::size: return size_fault(value);
    case FieldType::list: return list_fault(field, value);
    case FieldType::map: return map_fault(value);
    case FieldType::model: return model_fault(value);
    case FieldType::stretch: return stretch_fault(value);
  }
  return std::nullopt;
}

Fault support_fault(const Field& field, const json& value) {
  const json canonical = canonical_value(field, value);
  if (!field.supported) {
    const bool untouched =
        !field.default_value.is_null() && canonical == canonical_value(field, field.default_value);
    return untouched ? Fault() : "is not supported by this version";
  }
  if (field.supported_choices.empty()) return std::nullopt;
  const std::string text = display(canonical);
  const auto& honoured = field.supported_choices;
  if (std::find(honoured.begin(), honoured.end(), text) != honoured.end()) return std::nullopt;
  return fmt::format("'{}' is not supported by this version; it honours {}", text,
                     fmt::join(honoured, ", "));
}

std::string nearest_choice(const std::vector<std::string>& choices, const std::string& text) {
  for (const std::string& choice : choices) {
    if (text.size() > 2 && text.size() < 64 && edit_distance(choice, text) <= 2) return choice;
  }
  return {};
}

std::string in_range(const Field& field, double value) {
  const bool low = field.low && (value < *field.low || (field.low_open && value == *field.low));
  if (low && !field.low_open) return "write " + display(*field.low);
  if (!low && field.high && value > *field.high) return "write " + display(*field.high);
  return {};
}

std::string example(const Field& field) {
  const json& usual = field.default_value;
  if (!usual.is_null() && !usual.empty()) return "for example " + display(usual);
  switch (field.type) {
    case FieldType::list: return field.low ? "for example [1, 2]" : "for example [one, two]";
    case FieldType::map: return "for example {\"from\": \"to\"}";
    case FieldType::path:
    case FieldType::model: return "for example ../folder";
    case FieldType::interval: return "for example 100, or 2epochs";
    case FieldType::duration: return "for example 12h";
    case FieldType::size: return "for example 24GiB";
    case FieldType::integer:
    case FieldType::number: return "for example " + display(field.low ? *field.low + 1 : 1.0);
    default:
      return field.choices.empty() ? "for example 'a text'"
                                   : "for example " + field.choices.front();
  }
}

json as_whole(const json& value) {
  return value.is_number() ? json(static_cast<std::int64_t>(value.get<double>())) : value;
}

json as_doubles(json value) {
  for (json& item : value) {
    if (item.is_number()) item = item.get<double>();
  }
  return value;
}

}  // namespace

std::string describe(const json& value) {
  switch (value.type()) {
    case json::value_t::null: return "nothing";
    case json::value_t::boolean: return value.get<bool>() ? "true" : "false";
    case json::value_t::string: return "the text '" + value.get<std::string>() + "'";
    case json::value_t::array: return "a list";
    case json::value_t::object: return "a map";
    default: return "the number " + display(value);
  }
}

std::string display(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number()) return value.dump();
  const double number = value.get<double>();
  if (is_whole(value) && std::abs(number) < 1e15)
    return fmt::format("{}", static_cast<std::int64_t>(number));
  std::string text = fmt::format("{}", number);
  const std::size_t exponent = text.find("e-0");  // 1e-05 is 1e-5 to a person
  if (exponent != std::string::npos) text.erase(exponent + 2, 1);
  return text;
}

std::optional<std::string> check_value(const Field& field, const json& value) {
  if (value.is_null()) return std::nullopt;
  if (Fault fault = legal_fault(field, value)) return fault;
  return support_fault(field, value);
}

std::string value_proposal(const Field& field, const json& value) {
  if (!legal_fault(field, value)) {
    return field.supported && !field.supported_choices.empty()
               ? "write " + field.supported_choices.front()
               : "leave it out";
  }
  if (value.is_number() && field.type == FieldType::text) return "write '" + display(value) + "'";
  if (is_whole(value) && field.type == FieldType::duration) {
    const std::string seconds = display(value) + "s";
    if (parse_duration(seconds)) return "write " + seconds;
  }
  if (is_whole(value) && field.type == FieldType::size) {
    const std::string size = display(value) + "GiB";
    if (parse_size(size)) return "write " + size;
  }
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    const auto& words = field.type == FieldType::stretch ? stretch_words() : field.choices;
    const std::string nearest = nearest_choice(words, text);
    if (!nearest.empty()) return "did you mean '" + nearest + "'?";
    const std::string meant = intended(text, field.type);
    if (!meant.empty()) return "write " + meant;
  }
  const std::string bound = value.is_number() ? in_range(field, value.get<double>()) : "";
  return bound.empty() ? example(field) : bound;
}

json canonical_value(const Field& field, const json& value) {
  switch (field.type) {
    case FieldType::integer:
    case FieldType::interval: return as_whole(value);
    case FieldType::number: return value.is_number() ? json(value.get<double>()) : value;
    case FieldType::list:
    case FieldType::stretch: return value.is_structured() ? as_doubles(value) : value;
    case FieldType::model: {
      if (!value.is_object()) return value;
      return {{"run", value.at("run")}, {"checkpoint", value.value("checkpoint", "last")}};
    }
    default: return value;
  }
}

}  // namespace sarsweep::config
