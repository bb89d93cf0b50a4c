#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"

namespace sarsweep::coordinator {

// The plan document; errors are diagnostics inside.
nlohmann::json plan_sweep(Core& core, const SweepSource& source);

struct SubmitRequest {
  const SweepSource& source;
  std::string idempotency_key;  // empty: none
  std::string actor;
};

// The submit document, in one transaction, or Error(invalid) with the reasons in `problems`
// (nullable); Error(conflict) with the names of the runs that left the file, unless
// source.withdraw says that they may go.
nlohmann::json submit_sweep(Core& core, const SubmitRequest& request, nlohmann::json* problems);

}  // namespace sarsweep::coordinator
