#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace sarsweep::trainer {

// RUN_DIR/run.json (schema/protocol/run_dir.h). Whatever has a default may be missing, so that a
// run can be written by hand.
struct RunFile {
  std::string run_id, name;
  std::uint64_t seed = 0;
  std::string device = "auto";
  std::vector<std::string> devices;  // by rank, where there are several; empty: `device` for all
  int threads = 0;                   // of all ranks together; 0: the library's choice
  int micro_halvings = 0;            // of the micro batch, after running out of memory
  std::filesystem::path cache_dir;   // default: RUN_DIR/cache
  nlohmann::json protocol;           // resolved block; null: nothing is evaluated
  nlohmann::json config;             // nested
  nlohmann::json resume;             // a list or "auto"; default: "auto"
};

// Throws Error(invalid) naming the key at fault, Error(not_found) without a run.json.
RunFile read_run_file(const std::filesystem::path& run_dir);

}  // namespace sarsweep::trainer
