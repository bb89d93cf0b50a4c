#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace sarsweep {

enum class FileMode { shared = 0644, secret = 0600 };

// Replaces `path` as a whole: temporary file beside it, fsync, rename, fsync of the folder. A crash
// leaves the old content or the new one. Throws Error(internal) with the path and the reason.
void write_file_atomically(const std::filesystem::path& path, std::string_view content,
                           FileMode mode = FileMode::shared);

// The whole content. Throws Error(not_found) if it cannot be opened, Error(internal) if not read.
std::string read_file(const std::filesystem::path& path);

// fsync of a file or folder by name. Throws Error(internal).
void sync_path(const std::filesystem::path& path);

}  // namespace sarsweep
