#include "coordinator/cli/diagnostics.h"

#include <fmt/format.h>

#include <algorithm>

#include "coordinator/cli/table.h"
#include "schema/base/log.h"

namespace sarsweep::cli {
namespace {

constexpr const char* kBold = "\x1b[1m";
constexpr const char* kRed = "\x1b[1;31m";
constexpr const char* kMagenta = "\x1b[1;35m";
constexpr const char* kGreen = "\x1b[1;32m";
constexpr const char* kPlain = "\x1b[0m";
constexpr std::size_t kGutter = 5;  // digits of a line number

std::string painted(const std::string& text, const char* paint, bool color) {
  return color ? paint + text + kPlain : text;
}

long count(const std::vector<Diagnostic>& diagnostics, const char* severity) {
  return std::count_if(diagnostics.begin(), diagnostics.end(),
                       [&](const Diagnostic& d) { return d.severity == severity; });
}

std::string plural(long n, const std::string& noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

std::string place_of(const Diagnostic& diagnostic) {
  std::string place = printable(diagnostic.file);
  if (diagnostic.line > 0) place += fmt::format(":{}", diagnostic.line);
  if (diagnostic.line > 0 && diagnostic.col > 0) place += fmt::format(":{}", diagnostic.col);
  return place.empty() ? place : place + ": ";
}

std::string excerpt(const Diagnostic& diagnostic, bool color) {
  std::string mark = "^";
  mark.append(static_cast<std::size_t>(std::max(1, diagnostic.length) - 1), '~');
  const std::string indent(static_cast<std::size_t>(std::max(1, diagnostic.col) - 1), ' ');
  std::string text =
      fmt::format("{:>{}} | {}\n{:>{}} | {}{}", diagnostic.line, kGutter,
                  printable(diagnostic.source), "", kGutter, indent, painted(mark, kGreen, color));
  if (!diagnostic.suggestion.empty()) text += " " + printable(diagnostic.suggestion);
  return text + "\n";
}

}  // namespace

std::string render(const Diagnostic& diagnostic, bool color) {
  const bool error = diagnostic.severity == "error";
  const bool placed = diagnostic.line > 0 && diagnostic.col > 0 && !diagnostic.source.empty();
  std::string text = painted(place_of(diagnostic), kBold, color) +
                     painted(diagnostic.severity + ": ", error ? kRed : kMagenta, color) +
                     printable(diagnostic.message);
  if (!placed && !diagnostic.suggestion.empty()) text += "; " + printable(diagnostic.suggestion);
  text += "\n";
  return placed ? text + excerpt(diagnostic, color) : text;
}

std::string closing_line(const std::vector<Diagnostic>& diagnostics) {
  const long errors = count(diagnostics, "error");
  return fmt::format("plan: {}, {}{}\n", plural(errors, "error"),
                     plural(count(diagnostics, "warning"), "warning"),
                     errors > 0 ? "; nothing submitted" : "");
}

std::vector<Diagnostic> diagnostics_of(const nlohmann::json& document) {
  std::vector<Diagnostic> diagnostics;
  if (!document.is_object()) return diagnostics;
  for (const auto& item : document.value("diagnostics", nlohmann::json::array())) {
    Diagnostic d;
    d.file = item.value("file", "");
    d.line = item.value("line", 0);
    d.col = item.value("col", 0);
    d.severity = item.value("severity", "error");
    d.code = item.value("code", "");
    d.message = item.value("message", "");
    d.suggestion = item.value("suggestion", "");
    d.source = item.value("source", "");
    d.length = item.value("length", 1);
    diagnostics.push_back(std::move(d));
  }
  return diagnostics;
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  return count(diagnostics, "error") > 0;
}

}  // namespace sarsweep::cli
