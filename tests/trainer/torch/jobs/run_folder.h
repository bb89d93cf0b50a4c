#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "tests/support/trainer_process.h"

// Run folders as a worker makes them, for the tests of `sarsweep-trainer train`.
namespace sarsweep::tests {

inline std::string trainer_program() {
  return std::string(SARSWEEP_BINARY_DIR) + "/bin/sarsweep-trainer";
}

inline std::filesystem::path write_run(const std::filesystem::path& folder,
                                       const nlohmann::json& document) {
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "run.json", document.dump());
  return folder;
}

inline std::vector<std::string> train_arguments(const std::filesystem::path& run_dir) {
  return {trainer_program(), "train", run_dir.string()};
}

// Those of one type, in their order.
inline std::vector<nlohmann::json> told(const std::filesystem::path& run_dir,
                                        const std::string& type) {
  std::vector<nlohmann::json> events;
  std::ifstream in(run_dir / "events.jsonl");
  for (std::string line; std::getline(in, line);) {
    nlohmann::json event = nlohmann::json::parse(line, nullptr, false);
    if (event.is_discarded() || event["type"] != type) continue;
    events.push_back(std::move(event));
  }
  return events;
}

// Changes the first number of a tensor in a safetensors file.
inline void touch_tensor(const std::filesystem::path& file, const std::string& tensor) {
  std::string bytes = read_file(file);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const nlohmann::json header = nlohmann::json::parse(bytes.substr(8, length));
  const std::size_t at = 8 + length + header.at(tensor)["data_offsets"][0].get<std::size_t>();
  bytes[at] ^= 1;  // the least bit of the mantissa
  write_file_atomically(file, bytes);
}

}  // namespace sarsweep::tests
