#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/client/api_client.h"
#include "schema/protocol/messages.h"

namespace sarsweep::cli {

// Reads a sweep file for posting; YAML is the coordinator's business. Throws Error(invalid) where
// it is missing, over 1 MiB or not UTF-8.
SweepSource read_sweep_file(const std::filesystem::path& file, std::vector<std::string> set);

// Posts by `send`, and again with the contents of the prompt files the coordinator asks for.
client::Result<nlohmann::json> post_with_files(
    SweepSource& source,
    const std::function<client::Result<nlohmann::json>(const SweepSource&)>& send);

bool is_utf8(const std::string& text);

}  // namespace sarsweep::cli
