#include "coordinator/sweep/typed_scalar.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::size_t digits(std::string_view text, std::size_t from) {
  std::size_t end = from;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end;
}

struct Shape {
  bool number = false;
  bool whole = false;
};

// [-+] digits [. digits] [e [-+] digits], with a digit before or behind the point and no leading
// zero.
Shape shape_of(std::string_view text) {
  std::size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const std::size_t first = at;
  at = digits(text, at);
  const std::size_t before = at - first;
  if (before > 1 && text[first] == '0') return {};
  bool whole = true;
  std::size_t behind = 0;
  if (at < text.size() && text[at] == '.') {
    const std::size_t end = digits(text, at + 1);
    behind = end - at - 1;
    at = end;
    whole = false;
  }
  if (before + behind == 0) return {};
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    const std::size_t end = digits(text, at);
    if (end == at) return {};
    at = end;
    whole = false;
  }
  return {at == text.size(), whole};
}

}  // namespace

json typed_scalar(const std::string& plain) {
  if (plain.empty() || plain == "~" || plain == "null") return nullptr;
  if (plain == "true" || plain == "false") return plain == "true";
  const Shape shape = shape_of(plain);
  if (!shape.number) return plain;
  const char* begin = plain.data() + (plain[0] == '+' ? 1 : 0);
  const char* end = plain.data() + plain.size();
  std::int64_t whole = 0;
  if (shape.whole && std::from_chars(begin, end, whole).ec == std::errc()) return whole;
  double number = 0;
  if (std::from_chars(begin, end, number).ec != std::errc() || !std::isfinite(number)) return plain;
  return number;
}

}  // namespace sarsweep::sweep
