#include "schema/config/condition.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "schema/base/error.h"
#include "schema/config/fields.h"

namespace sarsweep::config {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<std::string_view, Comparison>, 6> kSymbols = {{
    {"==", Comparison::equal},
    {"!=", Comparison::not_equal},
    {"<=", Comparison::at_most},
    {">=", Comparison::at_least},
    {"<", Comparison::less},
    {">", Comparison::greater},
}};

class ConditionParser {
 public:
  explicit ConditionParser(std::string_view text) : text_(text) {}

  Condition parse() {
    Condition condition;
    do {
      condition.push_back(clause());
    } while (take_word("and"));
    skip_spaces();
    if (at_ < text_.size()) fail("expected 'and' before '" + std::string(text_.substr(at_)) + "'");
    return condition;
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(ErrorCode::invalid, "the condition '" + std::string(text_) + "': " + reason);
  }
  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || c == '+' || c == '/';
  }
  std::string_view word() {
    skip_spaces();
    const std::size_t start = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }
  bool take_word(std::string_view wanted) {
    const std::size_t before = at_;
    if (word() == wanted) return true;
    at_ = before;
    return false;
  }
  bool take(char wanted) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  Comparison comparison() {
    skip_spaces();
    for (const auto& [symbol, meaning] : kSymbols) {
      if (text_.substr(at_, symbol.size()) != symbol) continue;
      at_ += symbol.size();
      return meaning;
    }
    if (take_word("in")) return Comparison::in;
    fail("expected one of == != < <= > >= in after the field");
  }
  json value() {
    skip_spaces();
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) return quoted(text_[at_]);
    const std::string_view plain = word();
    if (plain.empty()) fail("a value is missing");
    if (plain == "true" || plain == "false") return plain == "true";
    double number = 0;
    const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), number);
    if (error == std::errc() && end == plain.data() + plain.size()) return number;
    return std::string(plain);
  }
  json quoted(char quote) {
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("a quote is not closed");
    const std::string inside(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return inside;
  }
  json list() {
    if (!take('[')) fail("'in' needs a list such as [1, 2]");
    json values = json::array();
    do {
      values.push_back(value());
    } while (take(','));
    if (!take(']')) fail("the list is not closed by ]");
    return values;
  }
  Clause clause() {
    Clause clause;
    clause.field = std::string(word());
    if (clause.field.empty()) fail("expected a field name");
    clause.comparison = comparison();
    clause.value = clause.comparison == Comparison::in ? list() : value();
    return clause;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

bool same(const json& a, const json& b) {
  if (a.is_number() && b.is_number()) return a.get<double>() == b.get<double>();
  return a == b;
}

bool ordered(const json& a, Comparison comparison, const json& b) {
  if (!a.is_number() || !b.is_number()) return false;
  const double x = a.get<double>();
  const double y = b.get<double>();
  switch (comparison) {
    case Comparison::less: return x < y;
    case Comparison::at_most: return x <= y;
    case Comparison::greater: return x > y;
    case Comparison::at_least: return x >= y;
    case Comparison::equal:
    case Comparison::not_equal:
    case Comparison::in: break;
  }
  return false;
}

}  // namespace

json joint_value(const std::string& field, const FieldLookup& lookup) {
  json common;
  for (const std::string& name : spread(field)) {
    json value = lookup(name);
    if (value.is_null() || (!common.is_null() && common != value)) return nullptr;
    common = std::move(value);
  }
  return common;
}

Condition parse_condition(std::string_view text) { return ConditionParser(text).parse(); }

bool holds(const Clause& clause, const json& actual) {
  if (clause.comparison == Comparison::not_equal)
    return actual.is_null() || !same(actual, clause.value);
  if (actual.is_null()) return false;
  if (clause.comparison == Comparison::equal) return same(actual, clause.value);
  if (clause.comparison == Comparison::in) {
    return std::any_of(clause.value.begin(), clause.value.end(),
                       [&](const json& value) { return same(actual, value); });
  }
  return ordered(actual, clause.comparison, clause.value);
}

bool holds(const Condition& condition, const FieldLookup& lookup) {
  return std::all_of(condition.begin(), condition.end(),
                     [&](const Clause& clause) { return holds(clause, lookup(clause.field)); });
}

}  // namespace sarsweep::config
