#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <set>
#include <string>

namespace sarsweep::trainer {
namespace {

class Threads : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(2); }
  void TearDown() override { at::set_num_threads(before_); }

 private:
  const int before_ = at::get_num_threads();
};

// at::parallel_for is a template: it is as parallel as the file it is used in was compiled.
TEST_F(Threads, ShareALoopOfOurs) {
  std::array<pid_t, 2> made_by{};
  at::parallel_for(0, 2, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) made_by[static_cast<std::size_t>(i)] = ::gettid();
  });
  EXPECT_NE(made_by[0], made_by[1]);
}

// A second one would bring threads of its own, which spin while the first one's work.
TEST_F(Threads, AreOfOneRuntime) {
  std::set<std::string> runtimes;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("omp.so") == std::string::npos && line.find("omp5.so") == std::string::npos) {
      continue;
    }
    runtimes.insert(line.substr(line.find('/')));
  }
  EXPECT_EQ(runtimes.size(), 1U) << testing::PrintToString(runtimes);
}

}  // namespace
}  // namespace sarsweep::trainer
