// Histories of the whole control plane in virtual time.
//
//   SARSWEEP_SEEDS=2000 SARSWEEP_FIRST_SEED=1 simulation_test
//   SARSWEEP_TRACE=1 SARSWEEP_SEEDS=1 SARSWEEP_FIRST_SEED=110 simulation_test   (what happens in
//   one)
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <mutex>
#include <thread>
#include <vector>

#include "coordinator/store/database.h"
#include "tests/simulation/world.h"

namespace sarsweep::simulation {
namespace {

namespace fs = std::filesystem;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSeeds = 25;
#else
constexpr int kSeeds = 200;
#endif

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

// In memory where there is such a place: nothing here loses power.
fs::path new_folder() {
  const fs::path shm = "/dev/shm";
  const fs::path parent = fs::is_directory(shm) ? shm : fs::temp_directory_path();
  std::string name = (parent / "sarsweep-simulation-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw Error(ErrorCode::internal, "mkdtemp failed");
  return name;
}

struct History {
  std::optional<std::string> fault;
  std::uint64_t trace = 0;
  std::int64_t events = 0;
  std::string faults;
};

// Every history begins on a copy of one empty database.
const fs::path& empty_database() {
  static const fs::path file = [] {
    const fs::path folder = new_folder();
    coordinator::Database made(folder / "sarsweep.db");
    return folder / "sarsweep.db";
  }();
  return file;
}

class EmptyDatabase : public testing::Environment {
  void SetUp() override { empty_database(); }
  void TearDown() override { fs::remove_all(empty_database().parent_path()); }
};
const testing::Environment* const kEmptyDatabase =
    testing::AddGlobalTestEnvironment(new EmptyDatabase);

History history_of(std::uint64_t seed) {
  const fs::path folder = new_folder();
  fs::copy_file(empty_database(), folder / "sarsweep.db");
  History history;
  {
    World world(seed, folder);
    try {
      history.fault = world.go();
    } catch (const std::exception& error) {
      history.fault = std::string("thrown: ") + error.what();
    }
    history.events = world.events();
    history.faults = world.faults().text();
    history.trace = world.trace();
  }
  fs::remove_all(folder);
  return history;
}

// The histories of `seeds` seeds from `first` on, on every core, until one has a fault.
class Histories {
 public:
  Histories(int first, int seeds) : next_(first), end_(first + seeds) {
    std::vector<std::jthread> threads;
    const unsigned cores = std::max(1U, std::jthread::hardware_concurrency());
    for (unsigned core = 0; core < cores; ++core) threads.emplace_back([this] { go(); });
  }
  const std::string& fault() const { return fault_; }
  std::int64_t events() const { return events_; }

 private:
  void go() {
    for (int seed = next_++; seed < end_; seed = next_++) {
      const History history = history_of(static_cast<std::uint64_t>(seed));
      const std::scoped_lock lock(mutex_);
      events_ += history.events;
      if (!history.fault) continue;
      fault_ += fmt::format("seed {} ({}): {}\n", seed, history.faults, *history.fault);
      next_ = end_;
    }
  }

  std::atomic<int> next_;
  const int end_;
  std::mutex mutex_;
  std::string fault_;
  std::int64_t events_ = 0;
};

TEST(Simulation, KeepsEveryPromiseInEveryHistory) {
  const int first = setting("SARSWEEP_FIRST_SEED", 1), seeds = setting("SARSWEEP_SEEDS", kSeeds);
  const Histories all(first, seeds);
  EXPECT_EQ(all.fault(), "");
  fmt::print("{} histories, {} looks at the database\n", seeds, all.events());
}

TEST(Simulation, TheSameSeedIsTheSameHistory) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const History once = history_of(seed), again = history_of(seed);
    EXPECT_EQ(once.trace, again.trace) << "seed " << seed;
    EXPECT_EQ(once.events, again.events) << "seed " << seed;
  }
}

TEST(Simulation, DifferentSeedsAreDifferentHistories) {
  EXPECT_NE(history_of(1).trace, history_of(2).trace);
}

}  // namespace
}  // namespace sarsweep::simulation
