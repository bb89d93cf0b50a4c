#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "coordinator/core/coordinator.h"
#include "coordinator/core/core.h"

namespace sarsweep::coordinator {

// What a worker ships of an attempt, and its end.
DataOutcome append_events(Core& core, const LeaseKey& key, std::int64_t offset,
                          std::string_view lines);
DataOutcome append_log(Core& core, const LeaseKey& key, std::int64_t offset,
                       std::string_view bytes);
std::vector<std::string> missing_artifacts(Core& core, const LeaseKey& key,
                                           const std::vector<std::string>& sha256);
// Throws Error(fenced or no_space) where no artifact should be sent.
void admit_artifact(Core& core, const LeaseKey& key);
void commit_artifact(Core& core, const LeaseKey& key, const std::string& sha256,
                     const std::filesystem::path& file);
// The barrier: nothing ends before its stream, its log and the files its events name are stored.
FinishOutcome finish(Core& core, const FinishRequest& request);

}  // namespace sarsweep::coordinator
