#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"

namespace sarsweep::coordinator {

// Published documents about more than one run.
nlohmann::json sweeps_view(Connection& connection);
nlohmann::json sweep_view(Connection& connection, const std::string& name);
// The first `limit` runs of the queue.
nlohmann::json queue_view(Connection& connection, std::int64_t limit);
nlohmann::json names_view(Connection& connection, const std::string& prefix);
nlohmann::json workers_view(const Core& core, Connection& connection);
std::string prometheus_text(const Core& core, Connection& connection);

}  // namespace sarsweep::coordinator
