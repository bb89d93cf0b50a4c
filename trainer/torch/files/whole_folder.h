#pragma once

#include <filesystem>
#include <functional>

namespace sarsweep::trainer {

// Makes `folder` appear with all it holds, or not at all: `write` fills a folder of another name
// beside it, which is then renamed. Throws Error(conflict) if `folder` exists and is not empty,
// Error(internal) where it cannot be written.
void write_whole_folder(const std::filesystem::path& folder,
                        const std::function<void(const std::filesystem::path&)>& write);

}  // namespace sarsweep::trainer
