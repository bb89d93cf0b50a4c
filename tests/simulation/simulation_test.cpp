// Histories of the whole control plane in virtual time.
//
//   SARSWEEP_SEEDS=2000 SARSWEEP_FIRST_SEED=1 simulation_test
//   SARSWEEP_TRACE=1 SARSWEEP_SEEDS=1 SARSWEEP_FIRST_SEED=110 simulation_test   (what happens in
//   one)
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

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

History history_of(std::uint64_t seed) {
  const fs::path folder = new_folder();
  History history;
  {
    World world(seed, folder);
    history = {world.go(), 0, world.events(), world.faults().text()};
    history.trace = world.trace();
  }
  fs::remove_all(folder);
  return history;
}

TEST(Simulation, KeepsEveryPromiseInEveryHistory) {
  const int first = setting("SARSWEEP_FIRST_SEED", 1), seeds = setting("SARSWEEP_SEEDS", kSeeds);
  std::int64_t events = 0;
  for (int seed = first; seed < first + seeds; ++seed) {
    const History history = history_of(static_cast<std::uint64_t>(seed));
    events += history.events;
    ASSERT_FALSE(history.fault) << "seed " << seed << " (" << history.faults
                                << "): " << *history.fault;
  }
  fmt::print("{} histories, {} looks at the database, no promise broken\n", seeds, events);
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
