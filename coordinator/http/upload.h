#pragma once

#include <httplib.h>

#include <cstdint>
#include <filesystem>

namespace sarsweep::coordinator {

// Streams a body of `expected` bytes into a new file of `folder`, which is the caller's from then
// on. Throws Error, the file removed: `invalid` where the body ends early, `no_space` on a full
// disk.
std::filesystem::path receive_file(const httplib::ContentReader& reader,
                                   const std::filesystem::path& folder, std::int64_t expected);

// Reads a body and stores nothing of it, up to `most` bytes.
void discard(const httplib::ContentReader& reader, std::int64_t most);

}  // namespace sarsweep::coordinator
