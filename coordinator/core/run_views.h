#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"
#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {

// The published `run` document. An alias shows its target's life, a cached run its source's
// results.
nlohmann::json run_document(const Core& core, Connection& connection, const RunRow& run);
// The same plus config, origins, attempts, lineage, events, axes.
nlohmann::json run_detail(const Core& core, Connection& connection, const RunRow& run);
// number | "nan" | "inf" | "-inf"
nlohmann::json number_json(double value);

}  // namespace sarsweep::coordinator
