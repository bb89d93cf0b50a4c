#pragma once

#include <functional>

#include <nlohmann/json.hpp>

#include "coordinator/sweep/expand.h"

namespace sarsweep::coordinator {

// What the coordinator asks of the sweep language: `expand` and `resolve_protocol` of
// coordinator/sweep/expand.h, or a test's own.
struct SweepLanguage {
  std::function<ExpandedSweep(const SweepSource&)> expand;
  std::function<nlohmann::json(const nlohmann::json&)> resolve_protocol;
};

// The shipped language.
SweepLanguage shipped_language();

}  // namespace sarsweep::coordinator
