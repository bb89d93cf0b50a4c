#include "coordinator/sweep/diagnostics.h"

#include <algorithm>
#include <utility>

#include "coordinator/sweep/utf8.h"
#include "schema/base/log.h"

namespace sarsweep::sweep {
namespace {

constexpr std::size_t kShownBytes = 400;

// Characters, not bytes: the caret under a line of UTF-8 has to meet its target.
int characters(std::string_view bytes) {
  return static_cast<int>(std::count_if(bytes.begin(), bytes.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// `printable` alone may cut a character in two, which no JSON writer accepts.
std::string shown(std::string_view text) {
  return printable(utf8_only(text, kShownBytes), 4 * kShownBytes);
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

}  // namespace

Diagnostics::Diagnostics(std::string file, std::string_view text)
    : file_(std::move(file)), lines_(split_lines(text)) {}

Diagnostic Diagnostics::located(Place place) const {
  Diagnostic diagnostic;
  diagnostic.file = file_;
  diagnostic.line = place.line;
  diagnostic.col = place.col;
  const std::size_t index = static_cast<std::size_t>(place.line) - 1;
  if (place.line < 1 || index >= lines_.size()) return diagnostic;
  const std::string_view line = lines_[index];
  const std::size_t before = std::min<std::size_t>(line.size(), place.col > 0 ? place.col - 1 : 0);
  const std::size_t bytes = std::min<std::size_t>(line.size() - before, std::max(place.length, 1));
  diagnostic.col = characters(line.substr(0, before)) + 1;
  diagnostic.length = std::max(1, characters(line.substr(before, bytes)));
  diagnostic.source = shown(line);
  return diagnostic;
}

void Diagnostics::add(std::vector<Diagnostic>& list, Diagnostic diagnostic) {
  if (list.size() >= kMost) return;
  if (!seen_.emplace(diagnostic.line, diagnostic.col, diagnostic.message).second) return;
  diagnostic.message = shown(diagnostic.message);
  diagnostic.suggestion = shown(diagnostic.suggestion);
  list.push_back(std::move(diagnostic));
}

void Diagnostics::error(Place place, std::string code, std::string message,
                        std::string suggestion) {
  Diagnostic diagnostic = located(place);
  diagnostic.severity = "error";
  diagnostic.code = std::move(code);
  diagnostic.message = std::move(message);
  diagnostic.suggestion = std::move(suggestion);
  add(errors_, std::move(diagnostic));
}

void Diagnostics::warning(Place place, std::string code, std::string message,
                          std::string suggestion) {
  Diagnostic diagnostic = located(place);
  diagnostic.severity = "warning";
  diagnostic.code = std::move(code);
  diagnostic.message = std::move(message);
  diagnostic.suggestion = std::move(suggestion);
  add(warnings_, std::move(diagnostic));
}

void Diagnostics::set_error(const std::string& setting, std::string code, std::string message,
                            std::string suggestion) {
  Diagnostic diagnostic;
  diagnostic.file = "--set";
  diagnostic.severity = "error";
  diagnostic.code = std::move(code);
  diagnostic.message = std::move(message);
  diagnostic.suggestion = std::move(suggestion);
  diagnostic.source = shown("--set " + setting);
  add(errors_, std::move(diagnostic));
}

std::vector<Diagnostic> Diagnostics::take() {
  std::vector<Diagnostic> all = std::move(errors_);
  for (Diagnostic& warning : warnings_) {
    if (all.size() < kMost) all.push_back(std::move(warning));
  }
  std::stable_sort(all.begin(), all.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.line, a.col) < std::tie(b.line, b.col);
  });
  return all;
}

}  // namespace sarsweep::sweep
