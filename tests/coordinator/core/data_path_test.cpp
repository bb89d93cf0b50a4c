#include <gtest/gtest.h>

#include <fstream>

#include "schema/base/digest.h"
#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

std::string metrics_line(int step, double value) {
  return json{{"t", 1}, {"type", "metrics"}, {"step", step}, {"values", {{"loss", value}}}}.dump() +
         "\n";
}
std::string checkpoint_line(int step) {
  return json{{"t", 1},
              {"type", "checkpoint"},
              {"step", step},
              {"path", fmt::format("checkpoints/step-{:08}", step)},
              {"manifest_sha256", "m"},
              {"bytes", 3}}
             .dump() +
         "\n";
}

struct Started {
  Bench bench;
  Grant grant;
  Started() {
    bench.sweep.runs = {planned("a")};
    bench.submit();
    bench.add_worker();
    grant = bench.start();
  }
  json series() { return bench.core->metrics(grant.key.run_id, {"loss"}, false, 0)["loss"]; }
};

TEST(DataPath, ANumberThatIsNotWholeIsNoted) {
  Started s;
  for (const char* step : {"1.5", "1e300", "-1", "18446744073709551615", "true", "null"}) {
    s.bench.ship(s.grant.key, std::string("{\"type\":\"metrics\",\"step\":") + step +
                                  ",\"values\":{\"loss\":1}}\n");
  }
  s.bench.ship(s.grant.key, "{\"type\":\"end\",\"exit_code\":99999999999}\n");
  EXPECT_TRUE(s.series().empty());
}

TEST(DataPath, ARepeatedOrDisplacedBatchIsRefusedWithTheStoredOffset) {
  Started s;
  const std::string batch = metrics_line(1, 0.5) + metrics_line(2, 0.25);
  const auto size = static_cast<std::int64_t>(batch.size());
  for (std::int64_t offset = 1; offset <= size + 1; ++offset) {
    EXPECT_FALSE(s.bench.core->append_events(s.grant.key, offset, batch).accepted);
  }
  ASSERT_TRUE(s.bench.core->append_events(s.grant.key, 0, batch).accepted);
  for (std::int64_t offset = 0; offset < size; ++offset) {
    const DataOutcome again = s.bench.core->append_events(s.grant.key, offset, batch);
    EXPECT_FALSE(again.accepted);
    EXPECT_EQ(again.stored, size);
  }
  EXPECT_EQ(s.series(), (json{{1, 0.5, 1}, {2, 0.25, 1}}));
}

TEST(DataPath, HalfALineIsRefused) {
  Started s;
  EXPECT_THROW(s.bench.core->append_events(s.grant.key, 0, "{\"type\""), Error);
  EXPECT_TRUE(s.bench.core->append_events(s.grant.key, 0, metrics_line(1, 1)).accepted);
}

TEST(DataPath, ABadLineBecomesAWarningAndTheRestIsStored) {
  Started s;
  s.bench.ship(s.grant.key, "not json\n{\"type\":\"metrics\",\"step\":\"x\",\"values\":{}}\n" +
                                metrics_line(3, 2) +
                                "{\"type\":\"checkpoint\",\"step\":1,\"path\":\"../../etc\","
                                "\"manifest_sha256\":\"m\"}\n");
  EXPECT_EQ(s.series(), (json{{3, 2.0, 1}}));
  int warnings = 0;
  for (const json& event : s.bench.core->events(s.grant.key.run_id, 0)) {
    warnings += event["what"] == "warning" ? 1 : 0;
  }
  EXPECT_EQ(warnings, 3);
}

TEST(DataPath, NotANumberAndInfinityAreKept) {
  Started s;
  s.bench.ship(s.grant.key,
               "{\"type\":\"metrics\",\"step\":1,\"values\":{\"loss\":\"nan\"}}\n"
               "{\"type\":\"metrics\",\"step\":2,\"values\":{\"loss\":\"-inf\"}}\n");
  EXPECT_EQ(s.series(), (json{{1, "nan", 1}, {2, "-inf", 1}}));
}

TEST(DataPath, TheSeriesFollowsTheNewestAttemptThatResumedBeforeAStep) {
  Started s;
  s.bench.ship(s.grant.key, metrics_line(1, 1) + metrics_line(2, 1) + checkpoint_line(2) +
                                metrics_line(3, 1) + metrics_line(4, 1));
  s.bench.wait(41);
  const Grant second = s.bench.start();
  ASSERT_EQ(second.run_json["resume"].size(), 1U);
  EXPECT_EQ(second.run_json["resume"][0]["step"], 2);
  s.bench.ship(second.key, metrics_line(3, 9));
  EXPECT_EQ(s.series(), (json{{1, 1.0, 1}, {2, 1.0, 1}, {3, 9.0, 2}, {4, 1.0, 1}}));
  const json all = s.bench.core->metrics(second.key.run_id, {"loss"}, true, 0)["loss"];
  EXPECT_EQ(all.size(), 5U);
}

TEST(DataPath, RetryFromScratchForgetsCheckpoints) {
  Started s;
  s.bench.ship(s.grant.key, checkpoint_line(2));
  ASSERT_TRUE(s.bench.end(s.grant.key, 77).reply);
  s.bench.verb("a", Verb::retry, true);
  const Grant second = s.bench.start();
  EXPECT_EQ(second.key.lease_epoch, 2);
  EXPECT_TRUE(second.run_json["resume"].empty());
}

TEST(DataPath, NothingEndsBeforeItIsStoredCompletely) {
  Started s;
  const std::string result = "{\"kl_pooled\":0.5}";
  const std::string digest = sha256(result);
  s.bench.ship(s.grant.key, json{{"t", 1},
                                 {"type", "eval"},
                                 {"step", 4},
                                 {"protocol_hash", "p"},
                                 {"file", "eval/step-4/result.json"},
                                 {"bytes", result.size()},
                                 {"sha256", digest}}
                                    .dump() +
                                "\n");
  FinishRequest request{.key = s.grant.key,
                        .exit_code = 0,
                        .signal = 0,
                        .reason = "",
                        .event_bytes = 100'000,
                        .log_bytes = 3};
  FinishOutcome outcome = s.bench.core->finish(request);
  ASSERT_FALSE(outcome.reply);
  EXPECT_EQ(outcome.missing["log_bytes"], 0);
  EXPECT_EQ(outcome.missing["artifacts"], json{digest});
  request.event_bytes = outcome.missing["event_bytes"];
  ASSERT_TRUE(s.bench.core->append_log(s.grant.key, 0, "log").accepted);
  EXPECT_EQ(s.bench.core->missing_artifacts(s.grant.key, {digest}).size(), 1U);
  ASSERT_FALSE(s.bench.core->finish(request).reply);
  const auto upload = s.bench.core->incoming_folder() / "u";
  std::ofstream(upload) << "other";
  EXPECT_THROW(s.bench.core->commit_artifact(s.grant.key, digest, upload), Error);
  std::ofstream(upload) << result;
  s.bench.core->commit_artifact(s.grant.key, digest, upload);
  ASSERT_TRUE(s.bench.core->finish(request).reply);
  EXPECT_EQ(s.bench.state("a"), "done");
  EXPECT_EQ(s.bench.core->evaluation(s.grant.key.run_id)["kl_pooled"], 0.5);
  EXPECT_EQ(s.bench.core->log(s.grant.key.run_id, -2, 100, std::nullopt)["text"], "og");
  const FinishOutcome again = s.bench.core->finish(request);
  ASSERT_TRUE(again.reply) << "a finish whose reply was lost is answered again";
  EXPECT_EQ(again.reply->state, RunState::done);
}

TEST(DataPath, TheStreamsEndEventOutranksTheProcess) {
  Started s;
  s.bench.ship(s.grant.key, "{\"type\":\"end\",\"exit_code\":0,\"reason\":\"\",\"step\":4}\n");
  ASSERT_TRUE(s.bench.end(s.grant.key, 1, 9).reply);
  EXPECT_EQ(s.bench.state("a"), "done");
}

TEST(DataPath, ARestartLosesNothingThatWasAcknowledged) {
  Started s;
  s.bench.ship(s.grant.key, metrics_line(1, 1));
  s.bench.open();
  s.bench.ship(s.grant.key, metrics_line(2, 1));
  EXPECT_EQ(s.series().size(), 2U);
}

}  // namespace
}  // namespace sarsweep::coordinator
