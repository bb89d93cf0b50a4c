#include "worker/gpu_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/worker/workplace.h"

namespace sarsweep::worker {
namespace {

constexpr std::int64_t kMebi = 1 << 20;

// A program that says what the test wants, and checks that it is asked as it should be.
std::filesystem::path fake_smi(const TempFolder& folder, const std::string& output, int code = 0) {
  const std::filesystem::path file = folder.path() / "nvidia-smi";
  std::ofstream(file) << "#!/bin/sh\n"
                         "[ \"$*\" = \"--query-gpu=index,uuid,memory.total,memory.used "
                         "--format=csv,noheader,nounits\" ] || exit 2\n"
                         "cat <<'END'\n"
                      << output << "END\nexit " << code << "\n";
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  return file;
}

const std::string kThree =
    "0, GPU-aaaa1111-0000, 81559, 4\n"
    "1, GPU-bbbb2222-0000, 24564, 2048\n"
    "2, GPU-cccc3333-0000, [N/A], [N/A]\n";

std::vector<std::int64_t> totals(const GpuLook& look) {
  std::vector<std::int64_t> all;
  for (const auto& gpu : look) all.push_back(gpu ? gpu->total / kMebi : -1);
  return all;
}

TEST(NvidiaSmi, TellsTheMemoryOfEachDevice) {
  const TempFolder folder;
  const GpuLook look = NvidiaSmi(fake_smi(folder, kThree), nullptr, 3).look();
  EXPECT_EQ(totals(look), (std::vector<std::int64_t>{81559, 24564, -1}));
  EXPECT_EQ(look[1]->used, 2048 * kMebi);
}

TEST(NvidiaSmi, CountsTheDevicesThatThisProcessSees) {
  const TempFolder folder;
  const auto program = fake_smi(folder, kThree);
  EXPECT_EQ(totals(NvidiaSmi(program, "1", 1).look()), std::vector<std::int64_t>{24564});
  EXPECT_EQ(totals(NvidiaSmi(program, "1, 0", 2).look()),
            (std::vector<std::int64_t>{24564, 81559}));
  EXPECT_EQ(totals(NvidiaSmi(program, "GPU-bbbb2222,GPU-aaaa1111-0000", 2).look()),
            (std::vector<std::int64_t>{24564, 81559}));
  EXPECT_EQ(totals(NvidiaSmi(program, "MIG-bbbb2222", 1).look()), std::vector<std::int64_t>{-1})
      << "a part of a GPU is none";
}

TEST(NvidiaSmi, WhatCannotBeToldIsNotMadeUp) {
  const TempFolder folder;
  EXPECT_EQ(totals(NvidiaSmi({}, nullptr, 1).look()), std::vector<std::int64_t>{-1});
  EXPECT_EQ(totals(NvidiaSmi("/no/such/program", nullptr, 1).look()),
            std::vector<std::int64_t>{-1});
  EXPECT_EQ(totals(NvidiaSmi(fake_smi(folder, kThree, 9), nullptr, 1).look()),
            std::vector<std::int64_t>{-1});
  EXPECT_EQ(totals(NvidiaSmi(fake_smi(folder, "No devices were found\n"), nullptr, 1).look()),
            std::vector<std::int64_t>{-1});
}

TEST(NvidiaSmi, ALineIsReadWholeOrNotAtAll) {
  EXPECT_TRUE(parse_gpu_line("0, GPU-a, 100, 5"));
  for (const char* line :
       {"", "0, GPU-a, 100", "0, GPU-a, 100, 5, 6", "0, GPU-a, 100 MiB, 5 MiB", "0, GPU-a, -1, 5",
        "0, GPU-a, 0, 0", ", GPU-a, 100, 5", "0, GPU-a, 99999999999999999999, 5"}) {
    EXPECT_FALSE(parse_gpu_line(line)) << line;
  }
}

}  // namespace
}  // namespace sarsweep::worker
