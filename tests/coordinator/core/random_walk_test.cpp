#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>

#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

// One worker that remembers every grant it ever had and acts on any of them, and a person who acts
// at random. Calls may be refused; what must hold is checked after each.
class Walk {
 public:
  explicit Walk(unsigned seed) : random_(seed) {
    bench_.sweep.runs = {planned("a"), planned("b"), planned("c")};
    bench_.sweep.runs[2].parent =
        ParentRef{.sweep = "demo", .cell = "a", .seed = 0, .any_seed = false, .checkpoint = "last"};
    bench_.submit();
    bench_.add_worker("w", 3);
  }

  void go(int steps) {
    for (int i = 0; i < steps; ++i) {
      try {
        act();
      } catch (const Error& error) {
        ASSERT_TRUE(error.code() == ErrorCode::fenced || error.code() == ErrorCode::conflict)
            << error.what();
      }
      check();
      if (testing::Test::HasFatalFailure()) return;
    }
  }

 private:
  struct Held {
    LeaseKey key;
    int slot = 0;
    bool over = false;  // the worker stopped that trainer
  };

  int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

  void act() {
    static const std::vector<std::string> kNames = {"a", "b", "c"};
    const int choice = below(10);
    if (choice == 0) return lease();
    if (choice == 1) return bench_.wait(below(30));
    if (choice == 2 && below(8) == 0) return bench_.open();
    if (choice == 3 && below(3) == 0) {
      return bench_.verb(kNames[static_cast<std::size_t>(below(3))],
                         kVerbs[static_cast<std::size_t>(below(5))], below(4) == 0);
    }
    const std::optional<LeaseKey> key = any_grant();
    if (!key) return lease();
    try {
      use(*key, choice);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::fenced) release(*key);
      throw;
    }
  }

  void use(const LeaseKey& key, int choice) {
    if (choice <= 5) {
      const Order order = bench_.beat(key);
      if (order == Order::fenced || order == Order::kill) release(key);
    } else if (choice == 6) {
      bench_.core->started(key);
    } else if (choice == 9 && below(2) == 0) {
      end(key);
    } else {
      append(key);
    }
  }

  // A grant that the worker still believes in, or a stale one of an older epoch.
  std::optional<LeaseKey> any_grant() {
    if (grants_.empty()) return std::nullopt;
    const Held& held = grants_[static_cast<std::size_t>(below(static_cast<int>(grants_.size())))];
    if (held.over && held.key.lease_epoch == epochs_[held.key.run_id]) return std::nullopt;
    return held.key;
  }

  void release(const LeaseKey& key) {
    for (Held& held : grants_) {
      if (held.key.run_id == key.run_id && held.key.lease_epoch == key.lease_epoch)
        held.over = true;
    }
  }

  void end(const LeaseKey& key) {
    static constexpr int kCodes[] = {0, 1, 75, 77, 143};
    const FinishOutcome outcome =
        bench_.core->finish({.key = key,
                             .exit_code = kCodes[below(5)],
                             .signal = 0,
                             .reason = "",
                             .event_bytes = offsets_[{key.run_id, key.lease_epoch}],
                             .log_bytes = 0});
    ASSERT_TRUE(outcome.reply);
    release(key);
  }

  // Offers the slots that no trainer of this worker uses, as it believes.
  void lease() {
    std::set<int> free = {0, 1, 2};
    for (const Held& held : grants_) {
      if (!held.over) free.erase(held.slot);
    }
    const std::vector<int> slots(free.begin(), free.end());
    for (const Grant& grant : bench_.ask(fmt::format("n{}", ++nonce_), slots).grants) {
      std::int64_t& newest = epochs_[grant.key.run_id];
      ASSERT_EQ(grant.key.lease_epoch, newest + 1) << "epochs strictly increase";
      newest = grant.key.lease_epoch;
      ASSERT_TRUE(free.contains(grant.slots.at(0)));
      grants_.push_back({grant.key, grant.slots.at(0), false});
    }
  }

  // Sends the next point, and sometimes sends it twice.
  void append(const LeaseKey& key) {
    const std::pair id(key.run_id, key.lease_epoch);
    const std::int64_t step = points_[id] + 1;
    const std::string line =
        json{{"type", "metrics"}, {"step", step}, {"values", {{"x", step}}}}.dump() + "\n";
    const DataOutcome outcome = bench_.core->append_events(key, offsets_[id], line);
    ASSERT_TRUE(outcome.accepted);
    ASSERT_EQ(key.lease_epoch, epochs_[key.run_id]) << "only the newest epoch may write";
    if (below(3) == 0) {
      ASSERT_FALSE(bench_.core->append_events(key, offsets_[id], line).accepted);
    }
    offsets_[id] = outcome.stored;
    points_[id] = step;
  }

  void check() {
    int held = 0;
    for (const char* name : {"a", "b", "c"}) {
      const json run = bench_.core->run(bench_.run(name)["id"]);
      const auto state = parse_run_state(run["state"].get<std::string>());
      ASSERT_TRUE(state);
      std::size_t open = 0, points = 0;
      for (const json& attempt : run["attempts"]) {
        open += attempt["end"].is_null() ? 1U : 0U;
        points += static_cast<std::size_t>(
            points_[{run["id"].get<std::string>(), attempt["attempt"].get<std::int64_t>()}]);
      }
      ASSERT_EQ(open, is_held(*state) ? 1U : 0U) << run.dump();
      held += is_held(*state) ? 1 : 0;
      const json all = bench_.core->metrics(run["id"], {"x"}, true, 0)["x"];
      ASSERT_EQ(all.size(), points) << "no point is lost or doubled";
    }
    const json workers = bench_.core->workers();
    int busy = 0;
    for (const json& slot : workers[0]["slots"]) busy += slot["run_id"].is_null() ? 0 : 1;
    ASSERT_EQ(busy, held) << "no slot has two holders: " << workers.dump(1);
  }

  Bench bench_;
  std::mt19937 random_;
  int nonce_ = 0;
  std::vector<Held> grants_;
  std::map<std::string, std::int64_t> epochs_;
  std::map<std::pair<std::string, std::int64_t>, std::int64_t> offsets_, points_;
};

TEST(RandomWalk, KeepsTheInvariants) {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    Walk(seed).go(150);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace sarsweep::coordinator
