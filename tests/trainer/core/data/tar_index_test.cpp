#include "trainer/core/data/tar_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/philox.h"
#include "tests/trainer/core/referee.h"
#include "tests/trainer/core/tar_text.h"
#include "tests/trainer/core/temp_folder.h"

namespace sarsweep::trainer {
namespace {

using testing::HasSubstr;

std::vector<TarMember> index_of(const std::string& bytes) {
  const auto read = [&](std::uint64_t offset, char* out, std::size_t count) {
    const std::size_t taken = std::min<std::size_t>(count, bytes.size() - offset);
    std::memcpy(out, bytes.data() + offset, taken);
    return taken;
  };
  return index_tar(read, bytes.size(), "a.tar");
}

std::string refusal(const std::string& bytes) {
  try {
    index_of(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    return error.what();
  }
  return "no error";
}

TEST(TarIndex, FindsTheBytesOfEveryMember) {
  const std::string bytes =
      tar_member("a.txt", "hello") + tar_member("dir/b.bin", std::string(1500, 'x')) + kTarEnd;
  const std::vector<TarMember> members = index_of(bytes);
  ASSERT_EQ(members.size(), 2U);
  EXPECT_EQ(members[0].name, "a.txt");
  EXPECT_EQ(bytes.substr(members[0].offset, members[0].size), "hello");
  EXPECT_EQ(members[1].name, "dir/b.bin");
  EXPECT_EQ(bytes.substr(members[1].offset, members[1].size), std::string(1500, 'x'));
}

TEST(TarIndex, RefusesWhatIsDamagedCutOrJoined) {
  const std::string one = tar_member("a.txt", "hello");
  std::string damaged = one + kTarEnd;
  damaged[3] ^= 1;
  EXPECT_THAT(refusal(damaged), HasSubstr("a.tar: holds no tar header at byte 0"));
  EXPECT_THAT(refusal("\x1f\x8b" + std::string(510, 'z')), HasSubstr("holds no tar header"));
  EXPECT_THAT(refusal(""), HasSubstr("has no end-of-archive block"));
  EXPECT_THAT(refusal(one), HasSubstr("has no end-of-archive block: it is cut short"));
  EXPECT_THAT(refusal(one.substr(0, 300)), HasSubstr("is cut short at byte 0"));
  EXPECT_THAT(refusal(tar_member("a", std::string(4000, 'x')).substr(0, 2000)),
              HasSubstr("member 'a' is cut short: 1488 of 4000 bytes"));
  EXPECT_THAT(refusal(one + kTarEnd + one + kTarEnd), HasSubstr("goes on after its end"));
  EXPECT_THAT(refusal(tar_member("a", "", '2') + kTarEnd), HasSubstr("member 'a' is a link"));
  EXPECT_THAT(refusal(tar_member("pax", "9 size=x\n", 'x') + one + kTarEnd),
              HasSubstr("malformed pax record"));
  EXPECT_THAT(refusal(tar_member("pax", "99 path=x\n", 'x') + one + kTarEnd),
              HasSubstr("malformed pax record"));
}

TEST(TarIndex, LongNamesAndSizesAreTakenFromTheBlocksBeforeThem) {
  const std::string name(300, 'n');
  const std::string gnu = tar_member("././@LongLink", name + '\0', 'L') + tar_member("n", "x");
  EXPECT_EQ(index_of(gnu + kTarEnd).at(0).name, name);
  const std::string record = "310 path=" + name + "\n";
  const std::string pax = tar_member("pax", record, 'x') + tar_member("n", "x");
  EXPECT_EQ(index_of(pax + tar_member("m", "y") + kTarEnd).at(0).name, name);
  EXPECT_EQ(index_of(pax + tar_member("m", "y") + kTarEnd).at(1).name, "m");
}

TEST(TarIndex, WhateverIsChangedItReturnsOrRefuses) {
  const std::string record = "18 path=long/name\n";
  const std::string whole = tar_member("pax", record, 'x') + tar_member("a", "hello") +
                            tar_member("b.png", std::string(700, 'p')) + kTarEnd;
  int refused = 0, returned = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const RandomStream random(1, "tar", i);
    std::string changed = whole;
    for (std::uint64_t k = 0; k <= random.below(3, 0); ++k) {
      changed[random.below(changed.size(), 3 * k + 1)] =
          static_cast<char>(random.below(256, 3 * k + 2));
    }
    changed.resize(random.below(2, 90) == 0 ? changed.size() : random.below(changed.size(), 91));
    try {
      for (const TarMember& member : index_of(changed)) {
        ASSERT_LE(member.offset + member.size, changed.size());
      }
      ++returned;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::invalid);
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(returned, 1000);
}

TEST(TarIndex, AgreesWithPythonOnEveryFormatItWrites) {
  if (referee_python().empty()) GTEST_SKIP() << "no .venv-test";
  const TempFolder folder;
  const nlohmann::json expected = ask_referee("make_archives.py", folder.path().string());
  ASSERT_EQ(expected.size(), 3U);
  for (const auto& [archive, members] : expected.items()) {
    SCOPED_TRACE(archive);
    const std::vector<TarMember> found = index_tar(folder.path() / archive);
    ASSERT_EQ(found.size(), members.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].name, members[i]["name"].get<std::string>());
      EXPECT_EQ(found[i].offset, members[i]["offset"].get<std::uint64_t>());
      EXPECT_EQ(found[i].size, members[i]["size"].get<std::uint64_t>());
    }
  }
}

}  // namespace
}  // namespace sarsweep::trainer
