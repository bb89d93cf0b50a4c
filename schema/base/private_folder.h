#pragma once

#include <filesystem>

namespace sarsweep {

// Makes the folder, and what leads to it, where it is missing; for its owner alone (0700). One that
// is there keeps its permissions. Throws Error.
void make_private_folder(const std::filesystem::path& folder);

}  // namespace sarsweep
