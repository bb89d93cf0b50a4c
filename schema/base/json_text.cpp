#include "schema/base/json_text.h"

#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/base/error.h"

namespace sarsweep {
namespace {

using nlohmann::json;

// A first pass over the events of the parser: nothing is built, so nothing can overflow.
class BoundsCheck final : public nlohmann::json_sax<json> {
 public:
  BoundsCheck(const JsonLimits& limits, std::string_view what) : limits_(limits), what_(what) {}

  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(number_integer_t) override { return count(); }
  bool number_unsigned(number_unsigned_t) override { return count(); }
  bool number_float(number_float_t, const string_t&) override { return count(); }
  bool string(string_t& text) override { return check_string(text) && count(); }
  bool binary(binary_t&) override { return count(); }
  bool start_object(std::size_t) override {
    keys_.emplace_back();
    return enter();
  }
  bool key(string_t& name) override {
    check_string(name);
    // Escaped as JSON is, so that the message stays one line.
    if (!keys_.back().insert(name).second) fail("the key " + json(name).dump() + " appears twice");
    return true;
  }
  bool end_object() override {
    keys_.pop_back();
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    (void)error;
    fail("not valid JSON at byte " + std::to_string(position));
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(ErrorCode::invalid, std::string(what_) + ": " + reason);
  }
  bool count() {
    if (++values_ > limits_.values) {
      fail("more than " + std::to_string(limits_.values) + " values");
    }
    return true;
  }
  bool enter() {
    if (++depth_ > limits_.depth) fail("deeper than " + std::to_string(limits_.depth) + " levels");
    return count();
  }
  bool check_string(const std::string& text) const {
    if (text.size() > limits_.string_bytes) {
      fail("a string longer than " + std::to_string(limits_.string_bytes) + " bytes");
    }
    return true;
  }

  const JsonLimits& limits_;
  std::string_view what_;
  std::size_t depth_ = 0;
  std::size_t values_ = 0;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

json parse_json(std::string_view text, std::string_view what, const JsonLimits& limits) {
  BoundsCheck check(limits, what);
  json::sax_parse(text, &check);
  return json::parse(text);
}

std::optional<std::int64_t> whole_number(const nlohmann::json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && !std::in_range<std::int64_t>(value.get<std::uint64_t>())) {
    return std::nullopt;
  }
  return value.get<std::int64_t>();
}

std::string canonical_json(const json& document) { return document.dump(); }

}  // namespace sarsweep
