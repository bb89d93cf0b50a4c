#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/support/present.h"

namespace sarsweep::trainer {

// The Python with numpy, scipy and Pillow; empty where it is not installed and a test may skip for
// that.
inline std::filesystem::path referee_python() {
  const std::filesystem::path python =
      std::filesystem::path(SARSWEEP_SOURCE_DIR) / ".venv-test/bin/python";
  const bool there = tests::present(std::filesystem::exists(python), ".venv-test");
  return there ? python : std::filesystem::path();
}

inline std::filesystem::path shared_data() {
  return std::filesystem::path(SARSWEEP_SOURCE_DIR) / "../shared/data";
}

// Runs tests/trainer/core/SCRIPT with one argument and parses what it prints.
inline nlohmann::json ask_referee(const std::string& script, const std::string& argument) {
  const std::string command = "'" + referee_python().string() + "' '" + SARSWEEP_SOURCE_DIR +
                              "/tests/trainer/core/" + script + "' '" + argument + "'";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string output;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = fread(buffer.data(), 1, buffer.size(), pipe.get())) > 0;) {
    output.append(buffer.data(), n);
  }
  return nlohmann::json::parse(output);
}

}  // namespace sarsweep::trainer
