#include "trainer/torch/clip/clip_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/protocol/run_dir.h"
#include "tests/support/temp_dir.h"

namespace sarsweep::trainer {
namespace {

TEST(ClipFiles, CheckpointsThatLieOverThemselvesAreRefused) {
  const testing::TempDir folder;
  const std::string path = folder.path().string();
  write_file_atomically(folder.path() / run_dir::kManifest, "{}");
  write_file_atomically(folder.path() / "model.json",
                        R"({"family": "clip", "base": ")" + path + "\"}");
  try {
    read_clip_config(find_clip(folder.path()).value());
    FAIL() << "read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("checkpoints lie over each other"));
  }
}

}  // namespace
}  // namespace sarsweep::trainer
