#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>
#include <unordered_map>
#include <vector>

#include "tests/coordinator/core/lease_model.h"

namespace sarsweep::lease_model {
namespace {

// A tenth of the states under a sanitizer, which needs a minute for all of them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kMostStates = 100'000;
#else
constexpr std::size_t kMostStates = 100'000'000;
#endif

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    return static_cast<std::size_t>(
        (key.low ^ (key.high * 0x9e3779b97f4a7c15U)) * 0xbf58476d1ce4e5b9U >> 7);
  }
};

struct Visit {
  Key key;
  std::uint32_t from = 0;
  Event by;
};

// Breadth first over everything that can happen, until nothing new does.
class Exploration {
 public:
  explicit Exploration(Model model) : model_(std::move(model)) {}

  // The first sentence that a step breaks, with the shortest way there.
  std::optional<std::string> go() {
    meet(pack(State{}), 0, {});
    for (std::size_t at = 0; at < visits_.size() && visits_.size() < kMostStates; ++at) {
      const State state = unpack(visits_[at].key);
      for (const Event& event : model_.possible(state)) {
        const Outcome next = model_.apply(state, event);
        if (next.state == state) continue;
        ++transitions_;
        if (const auto fault = model_.fault(state, event, next.state)) {
          return *fault + ":" + way_to(at) + "\n  " + to_string(event);
        }
        meet(pack(next.state), static_cast<std::uint32_t>(at), event);
      }
    }
    return std::nullopt;
  }

  std::size_t states() const { return visits_.size(); }
  std::size_t transitions() const { return transitions_; }
  bool closed() const { return visits_.size() < kMostStates; }
  std::set<RunState> reached() const {
    std::set<RunState> seen;
    for (const Visit& visit : visits_) seen.insert(unpack(visit.key).run);
    return seen;
  }

 private:
  void meet(const Key& key, std::uint32_t from, const Event& by) {
    if (known_.try_emplace(key, true).second) visits_.push_back({key, from, by});
  }
  std::string way_to(std::size_t at) const {
    std::string way;
    for (; at != 0; at = visits_[at].from) way = "\n  " + to_string(visits_[at].by) + way;
    return way;
  }

  Model model_;
  std::unordered_map<Key, bool, KeyHash> known_;
  std::vector<Visit> visits_;
  std::size_t transitions_ = 0;
};

void expect_no_fault(const std::vector<Verb>& verbs, const std::string& name) {
  Exploration all({.verbs = verbs});
  const std::optional<std::string> fault = all.go();
  EXPECT_FALSE(fault) << *fault;
  EXPECT_TRUE(all.reached().contains(RunState::done));
  testing::Test::RecordProperty(name + "_states", std::to_string(all.states()));
  fmt::print("{}: {} states, {} transitions, {}\n", name, all.states(), all.transitions(),
             all.closed() ? "closed" : "cut short under a sanitizer");
}

TEST(LeaseProtocol, EveryStateIsItsOwnKey) {
  Model model;
  State state;
  for (int i = 0; i < 200; ++i) {
    const std::vector<Event> events = model.possible(state);
    state = model.apply(state, events[static_cast<std::size_t>(i * 7) % events.size()]).state;
    ASSERT_EQ(unpack(pack(state)), state);
  }
}

TEST(LeaseProtocol, WithACancelKeepsItsPromisesInEveryStateThereIs) {
  expect_no_fault({Verb::cancel}, "cancel");
}
TEST(LeaseProtocol, WithAKillKeepsItsPromisesInEveryStateThereIs) {
  expect_no_fault({Verb::kill}, "kill");
}

class SeededBug : public testing::TestWithParam<Bug> {};

TEST_P(SeededBug, IsFound) {
  Exploration all({.bug = GetParam()});
  const std::optional<std::string> fault = all.go();
  ASSERT_TRUE(fault) << "not found in " << all.states() << " states";
  fmt::print("{} after {} states: {}\n", to_string(GetParam()), all.states(), *fault);
}

INSTANTIATE_TEST_SUITE_P(LeaseProtocol, SeededBug, testing::ValuesIn(kBugs),
                         [](const auto& bug) { return to_string(bug.param); });

}  // namespace
}  // namespace sarsweep::lease_model
