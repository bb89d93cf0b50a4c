#pragma once

#include <filesystem>
#include <string>

#include "schema/protocol/messages.h"

namespace sarsweep::coordinator {

// The script of a pool's jobs: it becomes the worker. It holds no secret, which is read from the
// pool's token file on the node, and is the same for all jobs of a pool.
std::string job_script(const SlurmPoolRequest& pool, const std::filesystem::path& worker);

}  // namespace sarsweep::coordinator
