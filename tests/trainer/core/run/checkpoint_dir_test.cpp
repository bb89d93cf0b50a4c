#include "trainer/core/run/checkpoint_dir.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class CheckpointDir : public testing::Test {
 protected:
  CheckpointDir() {
    std::string pattern = (fs::temp_directory_path() / "sarsweep-checkpoint-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~CheckpointDir() override { fs::remove_all(root_); }

  SealedCheckpoint write(long step, const std::string& weights = "weights") {
    CheckpointWriter writer(root_, step);
    write_file_atomically(writer.folder() / "weights.safetensors", weights);
    write_file_atomically(writer.folder() / "state.json", "{}");
    return writer.commit({{"config_hash", "abc"}, {"threads", 2}});
  }
  static std::string fault_of(const fs::path& folder) {
    try {
      verify_checkpoint(folder);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  }
  ResumeChoice choose() { return choose_checkpoint(resume_candidates("auto", root_)); }

  fs::path root_;
};

TEST_F(CheckpointDir, CommittedCheckpointVerifiesAndListsEveryFile) {
  const SealedCheckpoint written = write(500);
  EXPECT_EQ(written.path, root_ / "step-00000500");
  const SealedCheckpoint read = verify_checkpoint(written.path);
  EXPECT_EQ(read.step, 500);
  EXPECT_EQ(read.manifest_sha256, written.manifest_sha256);
  EXPECT_EQ(read.manifest_sha256, sha256_file(written.path / "manifest.json"));
  EXPECT_EQ(read.manifest["files"].size(), 2u);
  EXPECT_EQ(read.manifest["config_hash"], "abc");
  EXPECT_EQ(read.bytes, written.bytes);
}

TEST_F(CheckpointDir, AbandonedWriterLeavesNothing) {
  {
    CheckpointWriter writer(root_, 3);
    write_file_atomically(writer.folder() / "weights.safetensors", "half");
  }
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(CheckpointDir, TemporaryLeftoverIsNeitherListedNorMixedIn) {
  fs::create_directories(root_ / "step-00000007.tmp");
  write_file_atomically(root_ / "step-00000007.tmp" / "stale.safetensors", "of a killed process");
  EXPECT_TRUE(list_checkpoints(root_).empty());
  EXPECT_FALSE(choose().checkpoint.has_value());
  const SealedCheckpoint written = write(7);
  EXPECT_FALSE(fs::exists(written.path / "stale.safetensors"));
  EXPECT_FALSE(fs::exists(root_ / "step-00000007.tmp"));
}

TEST_F(CheckpointDir, NewestIsChosenByNumberNotByName) {
  write(99'999'999);
  write(100'000'000);
  EXPECT_EQ(choose().checkpoint->step, 100'000'000);
}

TEST_F(CheckpointDir, TruncatedFileIsRefusedByName) {
  const fs::path folder = write(1, "0123456789").path;
  fs::resize_file(folder / "weights.safetensors", 4);
  EXPECT_NE(fault_of(folder).find("weights.safetensors has 4 bytes instead of 10"),
            std::string::npos)
      << fault_of(folder);
}

TEST_F(CheckpointDir, FlippedByteIsRefused) {
  const fs::path folder = write(1, "0123456789").path;
  write_file_atomically(folder / "weights.safetensors", "0123456780");
  EXPECT_NE(fault_of(folder).find("weights.safetensors does not match"), std::string::npos);
}

TEST_F(CheckpointDir, MissingFileIsRefused) {
  const fs::path folder = write(1).path;
  fs::remove(folder / "state.json");
  EXPECT_NE(fault_of(folder).find("state.json is missing"), std::string::npos);
}

TEST_F(CheckpointDir, WhatCannotBeReadIsRefused) {
  for (const char* name : {"manifest.json", "state.json"}) {
    const fs::path file = write(1).path / name;
    fs::remove(file);
    fs::create_directory(file);
    EXPECT_FALSE(fault_of(file.parent_path()).empty()) << name << " is a folder";
    fs::remove(file);
    fs::create_symlink(name, file);
    EXPECT_FALSE(fault_of(file.parent_path()).empty()) << name << " is a link to itself";
    fs::remove_all(root_);
  }
}

TEST_F(CheckpointDir, DamagedManifestsAreRefused) {
  const fs::path folder = write(1).path;
  const std::string good = read_file(folder / "manifest.json");
  const std::vector<std::string> bad = {
      "",
      "{",
      "[]",
      "null",
      good.substr(0, good.size() / 2),
      R"({"version":2,"step":1,"files":{}})",
      R"({"version":1,"step":-1,"files":{}})",
      R"({"version":1,"step":1,"files":[]})",
      R"({"version":1,"step":1,"files":{"../state.json":{"size":2,"sha256":"x"}}})",
      R"({"version":1,"step":1,"files":{"state.json":{"size":"2","sha256":"x"}}})"};
  for (const std::string& text : bad) {
    write_file_atomically(folder / "manifest.json", text);
    EXPECT_FALSE(fault_of(folder).empty()) << text;
  }
  fs::remove(folder / "manifest.json");
  EXPECT_NE(fault_of(folder).find("no manifest.json"), std::string::npos);
}

TEST_F(CheckpointDir, DamagedNewestFallsBackAndSaysWhy) {
  write(10);
  const fs::path newest = write(20).path;
  fs::resize_file(newest / "weights.safetensors", 1);
  const ResumeChoice choice = choose();
  ASSERT_TRUE(choice.checkpoint.has_value());
  EXPECT_EQ(choice.checkpoint->step, 10);
  ASSERT_EQ(choice.refused.size(), 1u);
  EXPECT_NE(choice.refused[0].find("step-00000020"), std::string::npos);
}

TEST_F(CheckpointDir, RecordedManifestDigestMustMatch) {
  const SealedCheckpoint older = write(10), newer = write(20);
  const json resume = {
      {{"checkpoint", newer.path}, {"step", 20}, {"manifest_sha256", "other"}},
      {{"checkpoint", older.path}, {"step", 10}, {"manifest_sha256", older.manifest_sha256}}};
  const ResumeChoice choice = choose_checkpoint(resume_candidates(resume, root_));
  EXPECT_EQ(choice.checkpoint->step, 10);
  EXPECT_EQ(choice.refused.size(), 1u);
}

TEST_F(CheckpointDir, EmptyListStartsAtZeroEvenWhereCheckpointsLie) {
  write(10);
  EXPECT_FALSE(choose_checkpoint(resume_candidates(json::array(), root_)).checkpoint.has_value());
  EXPECT_THROW(resume_candidates("newest", root_), Error);
  EXPECT_THROW(resume_candidates(json::array({1}), root_), Error);
}

TEST_F(CheckpointDir, SecondCommitOfAStepKeepsTheIntactOneAndReplacesADamagedOne) {
  const SealedCheckpoint first = write(5, "first");
  EXPECT_EQ(write(5, "second").manifest_sha256, first.manifest_sha256);
  fs::resize_file(first.path / "weights.safetensors", 0);
  const SealedCheckpoint third = write(5, "third");
  EXPECT_EQ(read_file(third.path / "weights.safetensors"), "third");
  EXPECT_TRUE(fs::exists(root_ / "step-00000005.damaged"));
  EXPECT_EQ(list_checkpoints(root_).size(), 1u);
}

TEST_F(CheckpointDir, WhatTheFileSystemRefusesIsOurError) {
  write_file_atomically(root_ / "file", "");
  EXPECT_THROW(CheckpointWriter(root_ / "file", 1), Error);
  CheckpointWriter writer(root_, 2);
  fs::remove_all(writer.folder());
  EXPECT_THROW(writer.commit({}), Error);
}

}  // namespace
}  // namespace sarsweep::trainer
