#include "coordinator/core/wait_reasons.h"

#include <gtest/gtest.h>

#include "schema/protocol/run_state.h"
#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

MachineLook machine(const std::string& name, std::vector<MachineLook::Place> slots) {
  return {.worker = name, .live = true, .draining = false, .slots = std::move(slots)};
}

WaitLook queued(std::vector<MachineLook> machines) {
  WaitLook look;
  look.name = "s/a";
  look.machines = std::move(machines);
  return look;
}

std::string codes(const WaitLook& look) {
  std::string all;
  for (const WaitReason& reason : wait_reasons(look)) all += reason.code + " ";
  return all;
}

TEST(WaitReasons, WithoutALiveWorkerNothingElseMatters) {
  EXPECT_EQ(codes(queued({})), "no_worker ");
  WaitLook look = queued({machine("w", {{"cpu", ""}})});
  look.machines[0].live = false;
  look.ahead = 3;
  EXPECT_EQ(codes(look), "no_worker ");
  EXPECT_NE(wait_reasons(look)[0].message.find("w"), std::string::npos);
}

TEST(WaitReasons, OnAFullDiskNobodyStarts) {
  WaitLook look = queued({machine("w", {{"cpu", ""}})});
  look.shortage = "3 MB free in the store folder";
  EXPECT_EQ(codes(look), "no_space ");
  EXPECT_NE(wait_reasons(look)[0].message.find(look.shortage), std::string::npos);
}

TEST(WaitReasons, AWorkerThatIsOnItsWayThroughACluster) {
  WaitLook look = queued({});
  look.pools = {{"gpu", false, "Priority", 2}, {"idle", false, "", 0}, {"old", true, "too bad", 0}};
  EXPECT_EQ(codes(look), "slurm slurm no_worker ");
  const auto reasons = wait_reasons(look);
  EXPECT_EQ(reasons[0].message,
            "2 jobs of the Slurm pool gpu wait in the cluster's queue: Priority");
  EXPECT_EQ(reasons[1].message, "the Slurm pool old is paused: too bad");
  EXPECT_EQ(reasons[1].cure, "sarsweep slurm resume old");
  look.machines = {machine("w", {{"cpu", ""}})};  // It has a slot: no pool matters.
  EXPECT_EQ(codes(look), "next ");
}

TEST(WaitReasons, ARunThatFitsNoMachineIsToldTheLargest) {
  WaitLook look = queued({machine("w", {{"cuda:0", ""}, {"cuda:1", "s/b"}}),
                          machine("v", {{"cpu", ""}, {"cpu", ""}, {"cpu", ""}})});
  look.device = "cuda";
  look.slots = 3;
  const auto reasons = wait_reasons(look);
  ASSERT_EQ(reasons.size(), 1U);
  EXPECT_EQ(reasons[0].message,
            "it wants 3 cuda slots of one machine, and the largest live worker has 2");
}

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

TEST(WaitReasons, ARunThatWantsALargerGpuIsToldTheLargest) {
  WaitLook look = queued({machine("w", {{"cuda:0", "", 24 * kGiB}, {"cpu", ""}}),
                          machine("v", {{"cuda:0", "", 8 * kGiB}})});
  look.vram = 70 * kGiB;
  const auto first = [&] { return wait_reasons(look).at(0); };
  EXPECT_EQ(first().code, "vram");
  EXPECT_EQ(first().message,
            "it wants a slot with 70 GiB of GPU memory, and the largest GPU of a live worker has "
            "24 GiB (w)");
  look.vram = 24 * kGiB;
  EXPECT_EQ(first().code, "next");
  look.machines[0].slots[0].vram = 0;
  look.machines[1].slots[0].vram = 0;
  EXPECT_NE(first().message.find("no live worker can tell"), std::string::npos);
  look.machines = {machine("w", {{"cpu", ""}})};
  EXPECT_NE(first().message.find("no live worker has a GPU"), std::string::npos);
  look.machines = {machine("w", {{"cuda:0", "", 24 * kGiB}})};
  look.slots = 2;
  EXPECT_EQ(first().code, "too_large") << "memory is not what it lacks";
}

TEST(WaitReasons, ASlotThatIsNotOfferedSaysWhy) {
  WaitLook look = queued({machine("w", {{"cuda:0", "", 24 * kGiB, "3 of 24 GiB are in use"}})});
  const auto reasons = wait_reasons(look);
  ASSERT_EQ(reasons.size(), 1U);
  EXPECT_EQ(reasons[0].code, "resting");
  EXPECT_EQ(reasons[0].message, "worker w does not offer cuda:0 yet: 3 of 24 GiB are in use");
  look.machines[0].slots.push_back({"cuda:1", "b"});
  look.slots = 2;
  EXPECT_EQ(codes(look), "busy ");
}

TEST(WaitReasons, TakenSlotsNameTheirHolders) {
  WaitLook look = queued(
      {machine("w", {{"cpu", "b"}, {"cpu", "c"}, {"cpu", "b"}, {"cpu", "d"}, {"cpu", "e"}})});
  look.ahead = 1;
  const auto reasons = wait_reasons(look);
  ASSERT_EQ(reasons.size(), 2U);
  EXPECT_EQ(reasons[0].message, "worker w has not a slot free: b, c, d and 1 more");
  EXPECT_EQ(reasons[1].message, "1 queued run stands before it");
}

TEST(WaitReasons, WhereThereIsRoomTheOrderDecides) {
  WaitLook look = queued({machine("w", {{"cpu", "b"}}), machine("v", {{"cpu", ""}})});
  look.ahead = 2;
  EXPECT_EQ(codes(look), "order busy ");
  look.ahead = 0;
  EXPECT_EQ(codes(look), "next busy ");
  look.machines[1].draining = true;
  EXPECT_EQ(codes(look), "busy draining ");
  look.machines[1].drained_by = "admin";
  EXPECT_EQ(codes(look), "busy drained ");
  EXPECT_EQ(wait_reasons(look)[1].message, "worker v takes no new runs: admin drained it");
  EXPECT_EQ(wait_reasons(look)[1].cure, "sarsweep worker undrain v");
}

TEST(WaitReasons, EveryStateHasASentence) {
  for (const RunState state : kRunStates) {
    WaitLook look = queued({});
    look.state = state;
    look.reason = "why not";
    const auto reasons = wait_reasons(look);
    ASSERT_FALSE(reasons.empty()) << to_string(state);
    for (const WaitReason& reason : reasons) EXPECT_FALSE(reason.message.empty());
  }
}

TEST(Why, FollowsARunFromItsParentToItsSlot) {
  Bench bench;
  PlannedRun child = planned("child"), twin = planned("twin");
  child.parent.emplace();
  child.parent->sweep = "demo";
  child.parent->cell = "base";
  child.parent->checkpoint = "last";
  twin.alias_of = "base";
  bench.sweep.runs = {planned("base"), child, planned("other"), twin};
  bench.submit();
  const auto why = [&](const std::string& name) {
    return bench.core->why(bench.run(name)["id"])["reasons"];
  };
  EXPECT_EQ(why("base")[0]["code"], "no_worker");
  EXPECT_EQ(why("child")[0]["message"], "it starts from demo/base, which is queued");
  EXPECT_EQ(why("twin")[0]["code"], "alias");
  EXPECT_EQ(why("twin")[1]["code"], "no_worker");
  bench.add_worker();
  EXPECT_EQ(why("base")[0]["code"], "next");
  EXPECT_EQ(why("other")[0]["code"], "order");
  const Grant grant = bench.start();
  EXPECT_EQ(why("base")[0]["code"], "running");
  EXPECT_EQ(why("other")[0]["message"], "worker w has not a slot free: base");
  bench.verb("base", Verb::kill);
  EXPECT_EQ(why("base")[0]["cure"], "sarsweep resume demo/base");
  EXPECT_EQ(why("child")[0]["cure"], "sarsweep resume demo/base");
  bench.clock.advance(100);
  EXPECT_EQ(why("other")[0]["code"], "no_worker");
}

}  // namespace
}  // namespace sarsweep::coordinator
