// resources.vram, from the file to the grant.
#include <gtest/gtest.h>

#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

constexpr std::int64_t kMebi = std::int64_t{1} << 20;

struct Lab {
  Lab() {
    bench.shipped = true;
    bench.open();
    bench.submit_text(R"(version: 1
sweep: demo
base: {model.path: m, data.path: d, train.steps: 1}
runs:
  large: {resources.vram: 70GiB, resources.priority: high}
  usual: {resources.vram: 24GiB, unet.lr: 1e-6}
  any: {unet.lr: 1e-7}
)");
  }
  // A worker with GPUs of so many MiB, as nvidia-smi counts them; 0: it cannot tell.
  void add(const std::string& name, const std::vector<std::int64_t>& mebibytes) {
    RegisterRequest request{
        .name = name, .incarnation = name, .host = "h", .threads = 1, .slots = {}};
    for (const std::int64_t size : mebibytes) {
      const int index = static_cast<int>(request.slots.size());
      request.slots.push_back({index, "cuda:" + std::to_string(index), size * kMebi});
    }
    bench.worker = bench.core->register_worker(request).worker_id;
    bench.incarnation = name;
  }
  std::vector<std::string> granted(const std::vector<int>& slots) {
    std::vector<std::string> names;
    for (const Grant& grant : bench.ask("n" + bench.incarnation, slots).grants) {
      names.push_back(grant.name + "@" + std::to_string(grant.slots.at(0)));
    }
    return names;
  }
  json why(const std::string& name) { return bench.core->why(bench.run(name)["id"])["reasons"][0]; }

  Bench bench;
};

using Names = std::vector<std::string>;

TEST(Vram, ARunGoesToAGpuThatHasTheMemory) {
  Lab lab;
  lab.add("small", {8192});
  EXPECT_EQ(lab.granted({0}), Names{"any@0"});
  lab.add("mixed", {24564, 81559});
  EXPECT_EQ(lab.granted({0, 1}), (Names{"large@1", "usual@0"})) << "a card sold as 24 GiB counts";
}

TEST(Vram, WhereNobodyCanTellItIsNotTried) {
  Lab lab;
  lab.add("blind", {0, 0});
  EXPECT_EQ(lab.granted({0, 1}), Names{"any@0"});
  EXPECT_EQ(lab.why("large")["code"], "vram");
}

TEST(Vram, WorkersAndWhyShowIt) {
  Lab lab;
  lab.add("w", {24564});
  const json slot = lab.bench.core->workers()[0]["slots"][0];
  EXPECT_EQ(slot["vram"], 24564 * kMebi);
  EXPECT_EQ(slot["resting"], "");
  EXPECT_EQ(lab.why("large")["message"],
            "it wants a slot with 70 GiB of GPU memory, and the largest GPU of a live worker has "
            "24 GiB (w)");
  lab.bench.core->heartbeat({lab.bench.worker,
                             lab.bench.incarnation,
                             false,
                             {},
                             {{0, "3 GiB of its 24 GiB are in use"}}});
  EXPECT_EQ(lab.bench.core->workers()[0]["slots"][0]["resting"], "3 GiB of its 24 GiB are in use");
  EXPECT_EQ(lab.why("usual")["code"], "resting");
  lab.bench.core->heartbeat({lab.bench.worker, lab.bench.incarnation, false, {}});
  EXPECT_EQ(lab.why("any")["code"], "order");
}

TEST(Vram, AChangedWishReachesWhatHasNotStarted) {
  Lab lab;
  lab.add("w", {81559});
  lab.bench.submit_text(R"(version: 1
sweep: demo
base: {model.path: m, data.path: d, train.steps: 1}
runs:
  large: {resources.vram: 90GiB, resources.priority: high}
  usual: {resources.vram: 24GiB, unet.lr: 1e-6}
  any: {unet.lr: 1e-7}
)");
  EXPECT_EQ(lab.granted({0}), Names{"usual@0"});
}

}  // namespace
}  // namespace sarsweep::coordinator
