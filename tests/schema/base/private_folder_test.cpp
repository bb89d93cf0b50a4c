#include "schema/base/private_folder.h"

#include <gtest/gtest.h>

#include "schema/base/error.h"
#include "tests/support/temp_dir.h"

namespace sarsweep {
namespace {

namespace fs = std::filesystem;

fs::perms permissions_of(const fs::path& folder) {
  return fs::status(folder).permissions() & fs::perms::all;
}

TEST(PrivateFolder, IsItsOwnersAlone) {
  const testing::TempDir base;
  const fs::path folder = base.path() / "deep" / "home";
  make_private_folder(folder);
  EXPECT_EQ(permissions_of(folder), fs::perms::owner_all);
  make_private_folder(folder);
}

TEST(PrivateFolder, OneThatIsThereKeepsWhatItsOwnerWanted) {
  const testing::TempDir base;
  const fs::path folder = base.path() / "home";
  fs::create_directory(folder);
  const fs::perms chosen = fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec;
  fs::permissions(folder, chosen);
  make_private_folder(folder);
  EXPECT_EQ(permissions_of(folder), chosen);
}

TEST(PrivateFolder, WhatCannotBeOneSaysWhy) {
  try {
    make_private_folder("/proc/version/home");
    FAIL() << "a file has no folders";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cannot create /proc/version/home: Not a directory");
  }
}

}  // namespace
}  // namespace sarsweep
