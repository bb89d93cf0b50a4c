#pragma once

#include <string>
#include <vector>

#include "coordinator/sweep/expand.h"

namespace sarsweep::coordinator {

// Expands a text as if it stood in /lab/sweeps/sweep.yaml and the caller in /home/lab.
inline ExpandedSweep expand_text(std::string text, std::vector<std::string> set = {}) {
  SweepSource source;
  source.text = std::move(text);
  source.file = "sweep.yaml";
  source.dir = "/lab/sweeps";
  source.cwd = "/home/lab";
  source.set = std::move(set);
  return expand(source);
}

// All remarks, one a line, for failure messages.
inline std::string remarks(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& remark : diagnostics) {
    text += std::to_string(remark.line) + ":" + std::to_string(remark.col) + ": " +
            remark.severity + ": " + remark.code + ": " + remark.message;
    if (!remark.suggestion.empty()) text += " | " + remark.suggestion;
    text += "\n";
  }
  return text;
}

inline std::string remarks(const ExpandedSweep& sweep) { return remarks(sweep.diagnostics); }

}  // namespace sarsweep::coordinator
