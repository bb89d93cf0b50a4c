#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "schema/base/atomic_file.h"

// Sweep files in a folder beside this one, each with a text of what becomes of it.
namespace sarsweep::coordinator {

inline std::vector<std::filesystem::path> yaml_files(const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (const auto& entry :
       fs::directory_iterator(fs::path(SARSWEEP_SOURCE_DIR) / "tests/coordinator/sweep" / folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// NAME.txt beside NAME.yaml says `told`; with SARSWEEP_UPDATE_GOLDEN=1 it is written first.
inline void expect_golden(const std::filesystem::path& yaml, const std::string& told) {
  const std::filesystem::path golden = std::filesystem::path(yaml).replace_extension(".txt");
  if (std::getenv("SARSWEEP_UPDATE_GOLDEN") != nullptr) write_file_atomically(golden, told);
  ASSERT_TRUE(std::filesystem::exists(golden));
  EXPECT_EQ(told, read_file(golden));
}

}  // namespace sarsweep::coordinator
