#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/core/core.h"
#include "coordinator/store/artifact_store.h"
#include "coordinator/store/run_store.h"

namespace sarsweep::coordinator {

struct SeriesQuery {
  std::vector<std::string> keys;  // empty: all
  bool all_attempts = false;
  std::int64_t max_points = 0;  // 0: all; else evenly thinned, the ends kept
};
struct LogQuery {
  std::int64_t offset = 0;              // negative: from the end
  std::int64_t limit = 65536;           // bytes, at most 1 MiB
  std::optional<std::int64_t> attempt;  // default: the newest
};

// What a run left behind, in the published shapes. `run` is the one asked for, alias or not.
nlohmann::json metrics_view(Connection& connection, const RunRow& run, const SeriesQuery& query);
nlohmann::json log_view(const Core& core, Connection& connection, const RunRow& run,
                        const LogQuery& query);
nlohmann::json samples_view(Connection& connection, const RunRow& run);
nlohmann::json events_view(Connection& connection, const RunRow& run, std::int64_t after);
// The newest evaluation by the run's own protocol; evaluations of the validation split on the way
// are none. `run` is the one whose data they are.
std::optional<EvaluationRow> newest_evaluation(Connection& connection, std::int64_t run);
// A result document. Throws Error(not_found), Error(invalid).
nlohmann::json read_evaluation(const ObjectStore& objects, const std::string& sha256);
// Throws Error(not_found) if there is no result yet.
nlohmann::json evaluation_view(const Core& core, Connection& connection, const RunRow& run);

}  // namespace sarsweep::coordinator
