#include "coordinator/sweep/text_guard.h"

#include <fmt/format.h>

#include <optional>

#include "coordinator/sweep/utf8.h"

namespace sarsweep::sweep {
namespace {

constexpr std::size_t kLongestLine = 1 << 16;  // YAML parsers take seconds over endless lines

struct Fault {
  Place place;
  std::string code, message, suggestion;
};

class TextWalk {
 public:
  explicit TextWalk(std::string_view text) : text_(text) {}

  std::optional<Fault> first_fault() {
    while (at_ < text_.size()) {
      if (auto fault = look()) return fault;
      const int length = utf8_length(text_.substr(at_));
      if (length == 0)
        return fault("not_utf8", "the file is not UTF-8 here", "save it as UTF-8 text");
      step(length);
    }
    return std::nullopt;
  }

 private:
  Fault fault(const char* code, std::string message, std::string suggestion) const {
    return {{line_, static_cast<int>(at_ - line_start_) + 1, 1},
            code,
            std::move(message),
            std::move(suggestion)};
  }
  Fault too_deep() const {
    return fault("too_deep", fmt::format("nested deeper than {} levels", kDeepest),
                 "write dotted names, such as unet.lr");
  }

  std::optional<Fault> look() {
    if (at_ - line_start_ >= kLongestLine) {
      return fault("too_long", fmt::format("a line longer than {} bytes", kLongestLine),
                   "break it into several lines");
    }
    const char c = text_[at_];
    const bool control =
        (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7F;
    if (control) return fault("control_character", "a control character", "remove it");
    if (indenting_ && c == '\t')
      return fault("tab", "a tab indents this line", "indent with spaces");
    if (quote_ != 0) {
      if (c == '\\' && quote_ == '"' && at_ + 1 < text_.size()) {
        ++at_;
        return std::nullopt;
      }
      if (c == quote_) quote_ = 0;
      return std::nullopt;
    }
    if (comment_) return std::nullopt;
    return look_at_structure(c);
  }

  std::optional<Fault> look_at_structure(char c) {
    if ((c == '"' || c == '\'') && at_boundary()) quote_ = c;
    if (c == '#' && (at_ == 0 || text_[at_ - 1] == ' ' || text_[at_ - 1] == '\n')) comment_ = true;
    if ((c == '[' || c == '{') && ++flow_depth_ > kDeepest) return too_deep();
    if ((c == ']' || c == '}') && flow_depth_ > 0) --flow_depth_;
    if (!indenting_) return std::nullopt;
    const bool indicator = (c == '-' || c == '?') && at_ + 1 < text_.size() &&
                           (text_[at_ + 1] == ' ' || text_[at_ + 1] == '\n');
    if (indicator && ++line_depth_ > kDeepest) return too_deep();
    if (c != ' ' && !indicator) indenting_ = false;
    return std::nullopt;
  }

  bool at_boundary() const {
    if (at_ == 0) return true;
    const char before = text_[at_ - 1];
    return before == ' ' || before == '\n' || before == '[' || before == '{' || before == ',' ||
           before == ':';
  }

  void step(int length) {
    if (at_ < text_.size() && text_[at_] == '\n') {
      ++line_;
      line_start_ = at_ + 1;
      indenting_ = true;
      comment_ = false;
      line_depth_ = 0;
    }
    at_ += length;
  }

  std::string_view text_;
  std::size_t at_ = 0, line_start_ = 0;
  int line_ = 1, flow_depth_ = 0, line_depth_ = 0;
  bool indenting_ = true, comment_ = false;
  char quote_ = 0;
};

}  // namespace

bool guard_text(std::string_view text, Diagnostics& diagnostics) {
  if (text.size() > kMostBytes) {
    diagnostics.error(
        {1, 1, 1}, "too_large",
        fmt::format("the file has {} bytes; at most {} are read", text.size(), kMostBytes),
        "split it into several sweeps");
    return false;
  }
  const std::optional<Fault> fault = TextWalk(text).first_fault();
  if (fault) diagnostics.error(fault->place, fault->code, fault->message, fault->suggestion);
  return !fault;
}

}  // namespace sarsweep::sweep
