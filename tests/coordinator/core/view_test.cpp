#include <gtest/gtest.h>

#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

void finish_with(Bench& bench, double kl, const std::string& protocol) {
  const Grant grant = bench.start();
  const std::string digest(64, 'a');
  bench.ship(grant.key,
             json{{"type", "metrics"}, {"step", 4}, {"values", {{"eval/kl_pooled", kl}}}}.dump() +
                 "\n" +
                 json{{"type", "eval"},
                      {"step", 4},
                      {"protocol_hash", protocol},
                      {"file", "eval/r.json"},
                      {"sha256", digest}}
                     .dump() +
                 "\n");
  const auto object = bench.folder / "store/objects/aa" / digest;
  std::filesystem::create_directories(object.parent_path());
  std::filesystem::copy_file(bench.folder / "lock", object,
                             std::filesystem::copy_options::overwrite_existing);
  if (!bench.end(grant.key, 0).reply) throw Error(ErrorCode::internal, "finish was refused");
}

TEST(Leaderboard, RanksCellsByTheMeanOverTheirFinishedSeeds) {
  Bench bench;
  PlannedRun a1 = planned("a-s1", 1), a2 = planned("a-s2", 2);
  a1.cell = a2.cell = "a";
  bench.sweep.runs = {a1, a2, planned("b"), planned("other"), planned("unfinished")};
  bench.submit();
  bench.add_worker();
  finish_with(bench, 1.0, "p");
  finish_with(bench, 3.0, "p");
  finish_with(bench, 1.5, "p");
  finish_with(bench, 1.7, "q");
  const json board = bench.core->leaderboard("demo");
  ASSERT_EQ(board.size(), 4U);
  EXPECT_EQ(board[0]["name"], "b");
  EXPECT_EQ(board[0]["rank"], 1);
  EXPECT_EQ(board[1]["name"], "other");
  EXPECT_TRUE(board[1]["rank"].is_null()) << "another protocol is never ranked with the first";
  EXPECT_EQ(board[2]["name"], "a");
  EXPECT_EQ(board[2]["rank"], 2);
  EXPECT_EQ(board[2]["seeds"], 2);
  EXPECT_DOUBLE_EQ(board[2]["metrics"]["eval/kl_pooled"]["mean"], 2.0);
  EXPECT_TRUE(board[3]["rank"].is_null());
  EXPECT_EQ(board[3]["states"]["queued"], 1);
}

TEST(Leaderboard, MaximizeTurnsTheOrder) {
  Bench bench;
  bench.sweep.objective_goal = "maximize";
  bench.sweep.runs = {planned("a"), planned("b")};
  bench.submit();
  bench.add_worker();
  finish_with(bench, 1.0, "p");
  finish_with(bench, 2.0, "p");
  EXPECT_EQ(bench.core->leaderboard("demo")[0]["name"], "b");
}

PlannedRun cell_of_study(const std::string& cell, std::int64_t seed, const std::string& study) {
  PlannedRun run = planned(cell + "-s" + std::to_string(seed), seed);
  run.cell = cell;
  run.study = study;
  return run;
}

json delta_of(const json& board, const std::string& name) {
  for (const json& row : board) {
    if (row["name"] == name) return row["metrics"]["eval/kl_pooled"]["delta"];
  }
  return "no such row";
}

TEST(Leaderboard, ComparesEachCellWithItsStudysBaselineSeedBySeed) {
  Bench bench;
  bench.sweep.runs = {cell_of_study("a", 0, "st"), cell_of_study("a", 1, "st"),
                      cell_of_study("b", 0, "st"), cell_of_study("b", 1, "st"),
                      cell_of_study("c", 1, "st"), cell_of_study("x", 0, "other")};
  bench.sweep.baselines = {{"st", "b"}};
  bench.submit();
  bench.add_worker();
  for (const double kl : {1.0, 3.0, 0.5, 2.0, 5.0}) finish_with(bench, kl, "p");
  finish_with(bench, 9.0, "q");
  const json board = bench.core->leaderboard("demo");
  EXPECT_DOUBLE_EQ(delta_of(board, "a").get<double>(), 0.75);  // the mean of 0.5 and 1
  EXPECT_DOUBLE_EQ(delta_of(board, "c").get<double>(), 3.0) << "seed 1 alone";
  EXPECT_TRUE(delta_of(board, "b").is_null()) << "it is the baseline";
  EXPECT_TRUE(delta_of(board, "x").is_null()) << "the first cell of its own study";
  EXPECT_EQ(board[0]["baseline"], "b");
  bench.sweep.baselines = json::object();
  bench.submit();
  EXPECT_DOUBLE_EQ(delta_of(bench.core->leaderboard("demo"), "b").get<double>(), -0.75)
      << "without a name it is the first cell";
}

TEST(Leaderboard, ABaselineMayBeAnAliasOfAnotherStudysCell) {
  Bench bench;
  PlannedRun alias = cell_of_study("plain", 0, "st");
  alias.alias_of = "a-s0";
  bench.sweep.runs = {cell_of_study("a", 0, "first"), cell_of_study("b", 0, "st"), alias};
  bench.sweep.baselines = {{"st", "plain"}};
  bench.submit();
  bench.add_worker();
  for (const double kl : {1.0, 3.0}) finish_with(bench, kl, "p");
  EXPECT_DOUBLE_EQ(delta_of(bench.core->leaderboard("demo"), "b").get<double>(), 2.0);
}

TEST(Leaderboard, OfAnUnknownSweepNamesThoseThereAre) {
  Bench bench;
  const auto ask = [&] { bench.core->leaderboard("dem"); };
  EXPECT_EQ(refusal_of(ask), "no sweep is called 'dem'; there are none yet: sarsweep submit FILE");
  bench.sweep.runs = {planned("a")};
  bench.submit();
  EXPECT_EQ(refusal_of(ask), "no sweep is called 'dem'; there are demo");
}

TEST(Selector, WhereLooksAtTheActiveConfig) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("b"), planned("c")};
  const auto give = [&](std::size_t i, json flat) {
    bench.sweep.runs[i].config = config::RunValues(flat);
  };
  give(0, {{"unet.mode", "lora"},
           {"unet.rank", 16},
           {"text_encoder_1.rank", 8},
           {"text_encoder_2.rank", 8}});
  give(1, {{"unet.mode", "lora"},
           {"unet.rank", 64},
           {"text_encoder_1.rank", 8},
           {"text_encoder_2.rank", 4}});
  give(2, {{"unet.mode", "full"}});
  bench.submit();
  const auto found = [&](const std::string& where, const std::string& selector = "") {
    std::string names;
    for (const json& run : bench.core->runs({.selector = selector, .where = where})) {
      names += run["name"].get<std::string>();
    }
    return names;
  };
  EXPECT_EQ(found("unet.rank >= 16"), "ab");
  EXPECT_EQ(found("unet.mode == lora and unet.rank>16"), "b");
  EXPECT_EQ(found("unet.rank != 16"), "bc") << "an absent field makes only != true";
  EXPECT_EQ(found("text_encoders.rank in [4, 8]"), "a") << "b's two differ";
  EXPECT_EQ(found("unet.rank >= 16", "@demo"), "ab");
}

TEST(Selector, AWhereThatCannotBeReadSaysWhy) {
  Bench bench;
  bench.sweep.runs = {planned("a")};
  bench.submit();
  const auto said = [&](const std::string& where) {
    return refusal_of([&] { bench.core->runs({.where = where}); });
  };
  EXPECT_EQ(said("unet.rnak == 4"),
            "where: no field is called 'unet.rnak'; did you mean 'unet.rank'?");
  EXPECT_NE(said("unet.rank").find("where: "), std::string::npos);
}

TEST(Selector, FindsNamesPrefixesAndGroups) {
  Bench bench;
  bench.sweep.runs = {planned("alpha"), planned("alpine"), planned("beta")};
  bench.sweep.runs[2].study = "st";
  bench.submit();
  const auto count = [&](const std::string& selector) {
    return bench.core
        ->runs({.sweep = "", .study = "", .state = "", .selector = selector, .after = ""})
        .size();
  };
  EXPECT_EQ(count("demo/alpha"), 1U);
  EXPECT_EQ(count("be"), 1U);
  EXPECT_EQ(count("beta-s0"), 1U);
  EXPECT_EQ(count("@demo"), 3U);
  EXPECT_EQ(count("@demo/st"), 1U);
  for (const char* wrong : {"al", "nobody", "@nobody"}) {
    try {
      count(wrong);
      FAIL() << wrong;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::not_found);
      EXPECT_NE(std::string(error.what()).find("demo/alpha"), std::string::npos);
    }
  }
}

TEST(Views, TheQueueSaysInItsOrderWhyEachRunWaits) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("first"), planned("child"), planned("chosen"),
                      planned("late")};
  for (const std::size_t i : {0, 1}) {
    bench.sweep.runs[i].config.set("resources.priority", config::Value("high"));
  }
  bench.sweep.runs[2].parent = ParentRef{.sweep = "demo", .cell = "a", .checkpoint = "last"};
  bench.sweep.runs[0].study = bench.sweep.runs[1].study = "st";
  bench.sweep.runs[3].parent = ParentRef{
      .sweep = "demo", .cell = "", .checkpoint = "last", .best = sweep::BestRef{"st", "x"}};
  bench.submit();
  const auto told = [&](const json& queue) {
    std::string text;
    for (const json& row : queue) {
      text +=
          fmt::format("{} {} {}: {}\n", row["position"].get<int>(), row["name"].get<std::string>(),
                      row["state"].get<std::string>(), row["reason"].get<std::string>());
    }
    return text;
  };
  const std::string queued =
      "1 a queued: next for a free slot\n2 first queued: 1 ahead of it\n"
      "3 late queued: 2 ahead of it\n";
  EXPECT_EQ(told(bench.core->queue()), queued +
                                           "4 child waiting: waits for a, which is queued\n"
                                           "5 chosen waiting: waits for the best of st: 2 to "
                                           "go\n");
  EXPECT_EQ(told(bench.core->queue(3)), queued);
  bench.add_worker();
  bench.end(bench.start().key, 1);
  bench.verb("first", Verb::cancel);
  EXPECT_EQ(told(bench.core->queue()),
            "1 late queued: next for a free slot\n"
            "2 a backoff: tries again after: exit code 1\n"
            "3 child waiting: waits for a, which is backoff\n"
            "4 chosen waiting: waits for the best of st: 1 to go\n");
  bench.verb("a", Verb::cancel);
  EXPECT_EQ(told(bench.core->queue()),
            "1 late queued: next for a free slot\n"
            "2 child blocked: its parent a is cancelled\n"
            "3 chosen blocked: it starts from number 1 of the study st, which has 0 finished cells "
            "with x\n");
}

TEST(Views, TheQueueOfAHeldSweepSaysSo) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("b")};
  bench.sweep.runs[0].config.set("resources.retries", config::Value(0));
  bench.sweep.max_failures = 1;
  bench.submit();
  bench.add_worker();
  bench.end(bench.start().key, 1);
  const json queue = bench.core->queue();
  ASSERT_EQ(queue.size(), 1U);
  EXPECT_EQ(queue[0]["reason"], "held: 1 run failed (limits.max_failures: 1)");
}

TEST(Views, NamesBeginWithWhatWasTyped) {
  Bench bench;
  bench.sweep.runs = {planned("alpha"), planned("alpine"), planned("beta")};
  bench.sweep.runs[1].alias_of = "alpha";
  bench.submit();
  const auto names = [&](const std::string& prefix) {
    std::string text;
    for (const json& run : bench.core->names(prefix)) {
      text += run["sweep"].get<std::string>() + "/" + run["name"].get<std::string>() + " ";
    }
    return text;
  };
  EXPECT_EQ(names(""), "demo/alpha demo/alpine demo/beta ");
  EXPECT_EQ(names("alp"), "demo/alpha demo/alpine ");
  EXPECT_EQ(names("demo/b"), "demo/beta ");
  EXPECT_EQ(names("%"), "");
}

TEST(Views, QueueWorkersAndSweepsShowWhatWaitsAndWhoWorks) {
  Bench bench;
  bench.sweep.runs = {planned("a"), planned("b")};
  bench.sweep.runs[1].config.set("resources.priority", config::Value("high"));
  bench.submit();
  EXPECT_EQ(bench.core->queue()[0]["name"], "b");
  bench.add_worker();
  EXPECT_EQ(bench.start().name, "b");
  const json workers = bench.core->workers();
  EXPECT_EQ(workers[0]["state"], "live");
  EXPECT_EQ(workers[0]["slots"][0]["run_name"], "b");
  bench.clock.advance(31);
  EXPECT_EQ(bench.core->workers()[0]["state"], "silent");
  const json sweep = bench.core->sweep("demo");
  EXPECT_EQ(sweep["counts"]["running"], 1);
  EXPECT_EQ(sweep["text"], "t");
  EXPECT_NE(bench.core->prometheus().find("sarsweep_runs{state=\"running\"} 1"), std::string::npos);
  EXPECT_THROW(bench.core->sweep("nobody"), Error);
}

}  // namespace
}  // namespace sarsweep::coordinator
