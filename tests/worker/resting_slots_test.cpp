#include "worker/resting_slots.h"

#include <gtest/gtest.h>

namespace sarsweep::worker {
namespace {

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

class StillClock final : public Clock {
 public:
  TimePoint steady() const override { return TimePoint(std::chrono::milliseconds(now_ms)); }
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t now_ms = 1'000'000;
};

class FakeGpus final : public GpuProbe {
 public:
  GpuLook look() override {
    ++looks;
    return memory;
  }
  GpuLook memory;
  int looks = 0;
};

struct Machine {
  Machine(std::vector<std::int64_t> used_gib) { use(std::move(used_gib)); }
  void use(std::vector<std::int64_t> used_gib) {
    gpus.memory.clear();
    for (const std::int64_t used : used_gib)
      gpus.memory.push_back(GpuMemory{80 * kGiB, used * kGiB});
  }
  // What is offered after the next look that is due.
  std::vector<int> offered(RestingSlots& slots) {
    clock.now_ms += 2000;
    slots.look();
    std::vector<int> all;
    for (int slot = 0; slot < 3; ++slot) {
      if (!slots.contains(slot)) all.push_back(slot);
    }
    return all;
  }
  RestingSlots slots() {
    return {{{0, "cuda:0", 80 * kGiB}, {1, "cuda:1", 80 * kGiB}, {2, "cpu"}}, &gpus, clock};
  }

  StillClock clock;
  FakeGpus gpus;
};

using Slots = std::vector<int>;

TEST(RestingSlots, AGpuIsOfferedAgainOnceItsMemoryIsSeenFree) {
  Machine machine({0, 0});
  RestingSlots slots = machine.slots();
  slots.begin({});
  EXPECT_TRUE(slots.contains(0)) << "not before it was looked at";
  EXPECT_EQ(machine.offered(slots), (Slots{0, 1, 2}));
  slots.lay_down({1, 2});
  machine.use({0, 12});
  EXPECT_EQ(machine.offered(slots), (Slots{0, 2})) << "a CPU has nothing to wait for";
  ASSERT_EQ(slots.in_use().size(), 1U);
  EXPECT_EQ(slots.in_use()[0].index, 1);
  EXPECT_EQ(slots.in_use()[0].reason, "12 GiB of its 80 GiB are in use");
  machine.use({0, 1});
  EXPECT_EQ(machine.offered(slots), (Slots{0, 1, 2}));
  EXPECT_TRUE(slots.in_use().empty());
}

TEST(RestingSlots, WhatOthersHadAtTheStartIsTheirsUnlessItIsTheMost) {
  Machine machine({10, 60});
  RestingSlots slots = machine.slots();
  slots.begin({});
  EXPECT_EQ(machine.offered(slots), (Slots{0, 2})) << "who has 60 of 80 GiB needs the GPU";
  machine.use({10, 0});
  EXPECT_EQ(machine.offered(slots), (Slots{0, 1, 2}));
  slots.lay_down({0, 1});
  machine.use({11, 10});
  EXPECT_EQ(machine.offered(slots), (Slots{0, 2}));
}

TEST(RestingSlots, ARunThatWasTakenOverDoesNotCountAsOthers) {
  Machine machine({30, 0});
  RestingSlots slots = machine.slots();
  slots.begin({0});
  EXPECT_EQ(machine.offered(slots), (Slots{0, 1, 2})) << "its run holds it: that is not a rest";
  slots.lay_down({0});
  EXPECT_EQ(machine.offered(slots), (Slots{1, 2})) << "its run is over, and the memory is not free";
  machine.use({0, 0});
  EXPECT_EQ(machine.offered(slots), (Slots{0, 1, 2}));
}

TEST(RestingSlots, WhatNobodyCanTellIsOfferedAtOnce) {
  Machine machine({0, 0});
  machine.gpus.memory = {std::nullopt};
  RestingSlots slots = machine.slots();
  slots.begin({});
  EXPECT_EQ(machine.offered(slots), (Slots{0, 1, 2}));
  RestingSlots blind({{0, "cuda:0"}}, nullptr, machine.clock);
  blind.begin({});
  EXPECT_FALSE(blind.contains(0));
}

TEST(RestingSlots, LooksOnlyWhenItIsDue) {
  Machine machine({0, 70});
  RestingSlots slots = machine.slots();
  EXPECT_GT(slots.until_look(), std::chrono::minutes(1));
  slots.begin({});
  slots.look();
  slots.look();
  EXPECT_EQ(machine.gpus.looks, 1);
  EXPECT_LE(slots.until_look(), std::chrono::seconds(2));
  machine.clock.now_ms += 2000;
  slots.look();
  EXPECT_EQ(machine.gpus.looks, 2);
}

}  // namespace
}  // namespace sarsweep::worker
