#include <gtest/gtest.h>

#include "schema/base/atomic_file.h"
#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

// The shipped language in place of the bench's own.
TEST(ShippedSweep, IsSubmittedAndItsFirstRunGranted) {
  Bench bench;
  const std::filesystem::path home = bench.folder / "real";
  Coordinator core(CoordinatorOptions{.home = home, .store = {}}, bench.clock);
  const std::filesystem::path folder = std::filesystem::path(SARSWEEP_SOURCE_DIR) / "sweeps";
  SweepSource source;
  source.text = read_file(folder / "tiny-base.yaml");
  source.file = "tiny-base.yaml";
  source.dir = source.cwd = folder.string();
  const json plan = core.plan(source);
  ASSERT_EQ(plan["diagnostics"], json::array()) << plan["diagnostics"].dump(1);
  json problems;
  const json reply = core.submit(source, "k", "alice", &problems);
  EXPECT_EQ(reply["created"], 2);
  const std::string worker = core.register_worker({.name = "w",
                                                   .incarnation = "i",
                                                   .host = "h",
                                                   .threads = 1,
                                                   .slots = {{0, "cpu"}, {1, "cpu"}}})
                                 .worker_id;
  const LeaseReply lease = core.lease({worker, "i", "n", {0, 1}});
  ASSERT_EQ(lease.grants.size(), 1U) << core.runs({}).dump(1);
  const json& document = lease.grants[0].run_json;
  EXPECT_EQ(document["name"], "vae");
  EXPECT_EQ(document["config"]["job"], "vae");
  const std::filesystem::path data = document["config"]["data"]["path"].get<std::string>();
  EXPECT_TRUE(data.is_absolute()) << data;
  EXPECT_FALSE(document["protocol"]["hash"].get<std::string>().empty());
  EXPECT_EQ(core.queue()[0]["name"], "unet");
  EXPECT_EQ(core.queue()[0]["state"], "waiting");
  source.text = read_file(folder / "quickstart.yaml");
  source.file = "quickstart.yaml";
  EXPECT_GE(core.submit(source, "", "alice", &problems)["created"].get<int>(), 6)
      << problems.dump(1);
}

}  // namespace
}  // namespace sarsweep::coordinator
