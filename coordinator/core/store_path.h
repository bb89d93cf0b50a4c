#pragma once

#include <filesystem>

// Links below the store lead to files of who knows whom: none is followed.
namespace sarsweep::coordinator {

bool is_link(const std::filesystem::path& file);

// Whether `path`, or a folder on its way from `store`, is a link. `path` lies below `store`.
bool leads_through_link(const std::filesystem::path& store, const std::filesystem::path& path);

}  // namespace sarsweep::coordinator
