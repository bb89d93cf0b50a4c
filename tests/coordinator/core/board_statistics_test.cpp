// The leaderboard's statistics from result documents to published rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "coordinator/core/statistician.h"
#include "coordinator/stats/divergence.h"
#include "schema/base/digest.h"
#include "tests/coordinator/core/bench.h"
#include "tests/coordinator/stats/results.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

const std::string kKl = "eval/kl_pooled";

double pooled_kl(const json& document) {
  std::vector<double> real;
  std::vector<double> generated;
  for (const json& row : document["images"]) {
    const auto add = [](const json& counts, std::vector<double>& sum) {
      sum.resize(counts.size());
      for (std::size_t k = 0; k < counts.size(); ++k) sum[k] += counts[k].get<double>();
    };
    add(row["histogram_real"], real);
    add(row["histogram_generated"], generated);
  }
  double p = 0;
  double q = 0;
  for (std::size_t k = 0; k < real.size(); ++k) {
    p += real[k];
    q += generated[k];
  }
  return stats::fed(stats::KlSum(p, q, real.size(), stats::Smoothing::half), real.data(),
                    generated.data(), real.size());
}

// What the trainer would say of these pictures.
json complete(json document) {
  document["kl_pooled"] = pooled_kl(document);
  return document;
}

void store(Bench& bench, const std::string& digest, const std::string& text) {
  const auto file = bench.folder / "store/objects" / digest.substr(0, 2) / digest;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

// Runs the next run of the queue to its end; `shift` is what is reported beyond the images' value.
void finish(Bench& bench, const json& document, const std::string& protocol = "p",
            double shift = 0) {
  const Grant grant = bench.start();
  const std::string text = document.dump();
  const std::string digest = sha256(text);
  store(bench, digest, text);
  const double kl = document["kl_pooled"].get<double>() + shift;
  const json metrics = {{"type", "metrics"},
                        {"step", 4},
                        {"values", {{kKl, kl}, {"val/loss", 0.1 * kl}, {"eval/n", document["n"]}}}};
  const json evaluation = {{"type", "eval"},
                           {"step", 4},
                           {"protocol_hash", protocol},
                           {"file", "eval/step-4/result.json"},
                           {"sha256", digest},
                           {"bytes", text.size()}};
  bench.ship(grant.key, metrics.dump() + "\n" + evaluation.dump() + "\n");
  if (!bench.end(grant.key, 0).reply) throw Error(ErrorCode::internal, "finish was refused");
}

PlannedRun seed_of(const std::string& cell, std::int64_t seed, const std::string& study = "st") {
  PlannedRun run = planned(cell + "-s" + std::to_string(seed), seed);
  run.cell = cell;
  run.study = study;
  return run;
}

// The board once its statistics are there; they take as long as they take.
json settled(Bench& bench, const std::string& baseline = "") {
  for (;;) {
    json board = bench.core->leaderboard("demo", baseline);
    bool computing = false;
    for (const json& row : board) computing = computing || row["computing"].get<bool>();
    if (!computing) return board;
  }
}

json row_of(const json& board, const std::string& name) {
  for (const json& row : board) {
    if (row["name"] == name) return row;
  }
  throw Error(ErrorCode::internal, "no row " + name);
}

// Three cells of a study, a seed each, then one of another.
void three_cells(Bench& bench) {
  bench.sweep.report = {kKl, "val/loss"};
  bench.sweep.runs = {seed_of("a", 0), seed_of("b", 0), seed_of("c", 0), seed_of("x", 0, "other")};
  bench.submit();
  bench.add_worker();
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    finish(bench, complete(stats::result_document(seed)));
  }
}

TEST(BoardStatistics, OfOneSeedHaveTheNoiseOfTheImages) {
  Bench bench;
  three_cells(bench);
  const json board = settled(bench);
  for (const json& row : board) {
    const json& metric = row["metrics"][kKl];
    EXPECT_TRUE(row["one_seed"]);
    EXPECT_LT(metric["low"], metric["mean"]);
    EXPECT_GT(metric["high"], metric["low"]);
    EXPECT_DOUBLE_EQ(row["floor"][kKl], 0.004);
    EXPECT_LE(row["rank_low"], row["rank"]);
    EXPECT_GE(row["rank_high"], row["rank"]);
    EXPECT_TRUE(row["metrics"]["val/loss"]["low"].is_null()) << "one seed, and no images";
    EXPECT_TRUE(row["metrics"]["val/loss"]["p"].is_null());
  }
  EXPECT_EQ(board[0]["rank"], 1);
}

TEST(BoardStatistics, CompareWithTheBaselineAndAdjustOverTheStudy) {
  Bench bench;
  three_cells(bench);
  const json board = settled(bench);
  const json b = row_of(board, "b")["metrics"][kKl];
  const json c = row_of(board, "c")["metrics"][kKl];
  EXPECT_TRUE(row_of(board, "a")["metrics"][kKl]["p"].is_null()) << "it is the baseline";
  EXPECT_TRUE(row_of(board, "x")["metrics"][kKl]["p"].is_null()) << "so is that of its study";
  for (const json& metric : {b, c}) {
    EXPECT_LE(metric["delta_low"], metric["delta"]);
    EXPECT_GE(metric["delta_high"], metric["delta"]);
    EXPECT_EQ(metric["seeds"], 1);
  }
  const auto ordered = [&](const char* key) {
    return std::minmax({b[key].get<double>(), c[key].get<double>()});
  };
  const auto [low, high] = ordered("p");
  EXPECT_DOUBLE_EQ(ordered("p_holm").first, std::min(1.0, 2 * low));
  EXPECT_DOUBLE_EQ(ordered("p_holm").second, std::min(1.0, std::max(2 * low, high)));
  for (const json& metric : {b, c}) {
    EXPECT_EQ(metric["power_n"].is_null(), metric["p_holm"] < 0.05);
  }
}

TEST(BoardStatistics, AnyCellMayBeTheBaseline) {
  Bench bench;
  three_cells(bench);
  const json own = settled(bench);
  const json board = settled(bench, "b");
  EXPECT_EQ(row_of(board, "x")["baseline"], "b");
  EXPECT_NEAR(row_of(board, "a")["metrics"][kKl]["delta"].get<double>(),
              -row_of(own, "b")["metrics"][kKl]["delta"].get<double>(), 1e-12);
  EXPECT_EQ(row_of(board, "a")["metrics"][kKl]["p"], row_of(own, "b")["metrics"][kKl]["p"]);
  EXPECT_FALSE(row_of(board, "x")["metrics"][kKl]["p"].is_null());
  EXPECT_EQ(refusal_of([&] { bench.core->leaderboard("demo", "nobody"); }),
            "no cell is called 'nobody'; there are a, b, c, x");
}

TEST(BoardStatistics, AreTheSameDigitsAfterARestart) {
  Bench bench;
  three_cells(bench);
  const json board = settled(bench);
  bench.open();
  EXPECT_EQ(settled(bench), board);
}

TEST(BoardStatistics, AreKeptWhileNothingChanges) {
  Bench bench;
  three_cells(bench);
  const json board = settled(bench);
  std::filesystem::remove_all(bench.folder / "store/objects");
  EXPECT_EQ(settled(bench), board) << "the results were read once";
}

TEST(BoardStatistics, OfANewRunLeaveTheOthersAsTheyAre) {
  Bench bench;
  bench.sweep.runs = {seed_of("a", 0), seed_of("b", 0), seed_of("b", 1)};
  bench.submit();
  bench.add_worker();
  finish(bench, complete(stats::result_document(1)));
  finish(bench, complete(stats::result_document(2)));
  const json before = settled(bench);
  finish(bench, complete(stats::result_document(3)));
  const json after = settled(bench);
  EXPECT_EQ(row_of(after, "a")["metrics"], row_of(before, "a")["metrics"]);
  EXPECT_FALSE(row_of(after, "b")["one_seed"]);
  EXPECT_EQ(row_of(after, "b")["metrics"][kKl]["seeds"], 1) << "the baseline has finished one";
  EXPECT_GT(row_of(after, "b")["metrics"][kKl]["high"], row_of(before, "b")["metrics"][kKl]["high"])
      << "two seeds, with one degree of freedom";
}

TEST(BoardStatistics, OfOtherProtocolsAreNeitherComparedNorRanked) {
  Bench bench;
  bench.sweep.runs = {seed_of("a", 0), seed_of("b", 0)};
  bench.submit();
  bench.add_worker();
  finish(bench, complete(stats::result_document(1)), "p");
  finish(bench, complete(stats::result_document(2)), "q");
  const json board = settled(bench);
  const json& last = board[1];
  EXPECT_TRUE(last["rank"].is_null());
  EXPECT_TRUE(row_of(board, "b")["metrics"][kKl]["p"].is_null());
  EXPECT_FALSE(row_of(board, "b")["metrics"][kKl]["low"].is_null());
}

TEST(BoardStatistics, OfSeedsOfDifferentProtocolsAreNone) {
  Bench bench;
  bench.sweep.report = {kKl};
  bench.sweep.runs = {seed_of("a", 0), seed_of("a", 1), seed_of("b", 0)};
  bench.submit();
  bench.add_worker();
  finish(bench, complete(stats::result_document(1)), "p");
  finish(bench, complete(stats::result_document(2)), "q");
  finish(bench, complete(stats::result_document(3)), "p");
  const json board = settled(bench);
  const json a = row_of(board, "a");
  EXPECT_TRUE(a["rank"].is_null());
  EXPECT_TRUE(a["metrics"][kKl]["low"].is_null());
  EXPECT_TRUE(row_of(board, "b")["metrics"][kKl]["delta"].is_null()) << "a is the baseline";
  EXPECT_FALSE(row_of(board, "b")["metrics"][kKl]["low"].is_null());
}

TEST(BoardStatistics, OfANumberThatTheImagesDoNotGiveAreNone) {
  Bench bench;
  bench.sweep.runs = {seed_of("a", 0)};
  bench.submit();
  bench.add_worker();
  finish(bench, complete(stats::result_document(1)), "p", 1e-4);
  EXPECT_TRUE(settled(bench)[0]["metrics"][kKl]["low"].is_null());
}

TEST(BoardStatistics, OfAResultThatCannotBeReadAreNone) {
  Bench bench;
  bench.sweep.runs = {seed_of("a", 0), seed_of("b", 0)};
  bench.submit();
  bench.add_worker();
  finish(bench, complete(stats::result_document(1)));
  json broken = complete(stats::result_document(2));
  broken["images"][0]["histogram_real"] = {-1};
  finish(bench, broken);
  const json board = settled(bench);
  EXPECT_FALSE(row_of(board, "a")["metrics"][kKl]["low"].is_null());
  EXPECT_TRUE(row_of(board, "b")["metrics"][kKl]["low"].is_null());
  EXPECT_TRUE(row_of(board, "b")["rank_low"].is_null()) << "its noise is not known";
}

// A board of cells with a seed each, whose results lie in the store of the bench.
Board board_of_cells(Bench& bench, int cells) {
  Board board{.metrics = {kKl}, .cells = {}};
  for (int i = 0; i < cells; ++i) {
    const json document = complete(stats::result_document(static_cast<std::uint64_t>(i + 1)));
    const std::string text = document.dump();
    store(bench, sha256(text), text);
    board.cells.push_back({.name = "c" + std::to_string(i),
                           .study = "st",
                           .protocol = "p",
                           .runs = {{0, sha256(text), {{kKl, document["kl_pooled"]}}}},
                           .baseline = "c0",
                           .ranked = true});
  }
  return board;
}

TEST(BoardStatistics, InPiecesAreWhatTheyAreAtOnce) {
  Bench bench;
  const Board board = board_of_cells(bench, 4);
  const ObjectStore objects(bench.folder / "store");
  ResultCache results(objects, 1U << 20U);
  const BoardStatistics whole = board_statistics(board, nullptr, results, [] { return false; });
  ASSERT_TRUE(whole.complete);
  std::optional<BoardStatistics> pieces;
  for (int made = 1; made <= 4; ++made) {
    pieces = board_statistics(board, pieces ? &*pieces : nullptr, results, [] { return true; });
    EXPECT_EQ(pieces->complete, made == 4);
    const auto known = std::count_if(pieces->cells.begin(), pieces->cells.end(),
                                     [](const auto& cell) { return cell.numbers != nullptr; });
    EXPECT_EQ(known, made);
    EXPECT_EQ(pieces->cells.front().rank.has_value(), made == 4);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    const MetricNumbers& one = whole.cells[i].numbers->metrics.at(kKl);
    const MetricNumbers& other = pieces->cells[i].numbers->metrics.at(kKl);
    EXPECT_EQ(one.estimate.interval, other.estimate.interval);
    EXPECT_EQ(whole.cells[i].rank->high, pieces->cells[i].rank->high);
    EXPECT_EQ(whole.cells[i].p_holm, pieces->cells[i].p_holm);
  }
}

TEST(Statistician, AnswersOtherQuestionsWhileABoardRests) {
  Bench bench;
  const Board board = board_of_cells(bench, 3);
  const ObjectStore objects(bench.folder / "store");
  Statistician statistician(objects);
  const auto read = [&] { return board; };
  const auto settled = [&](const Statistician::Question& question) {
    while (!statistician.look(question, read).current) {
      statistician.await(question, std::chrono::milliseconds(50));
    }
    return statistician.look(question, read).statistics;
  };
  const auto first = settled({"a", "1"});
  EXPECT_TRUE(first->complete);
  const Statistician::Answer stale = statistician.look({"a", "2"}, read);
  EXPECT_FALSE(stale.current);
  EXPECT_EQ(stale.statistics, first) << "the answer before";
  EXPECT_TRUE(settled({"b", "1"})->complete);
  const auto second = settled({"a", "2"});
  EXPECT_EQ(second->cells[1].numbers, first->cells[1].numbers) << "nothing of it changed";
}

TEST(Statistician, OfWhatCannotBeReadKnowsNothingAndGoesOn) {
  Bench bench;
  const ObjectStore objects(bench.folder / "store");
  Statistician statistician(objects);
  const Statistician::Question question{"a", "1"};
  const auto fail = []() -> Board { throw Error(ErrorCode::internal, "no board"); };
  while (!statistician.look(question, fail).current) {
    statistician.await(question, std::chrono::milliseconds(50));
  }
  EXPECT_EQ(statistician.look(question, fail).statistics, nullptr);
}

json settled_diff(Bench& bench, const std::string& a, const std::string& b) {
  for (;;) {
    json document = bench.core->diff(a, b);
    if (!document["computing"].get<bool>()) return document;
  }
}

TEST(Diff, HasTheNumbersOfTheLeaderboard) {
  Bench bench;
  three_cells(bench);
  const json board = settled(bench);
  const json document = settled_diff(bench, "a", "demo/b");
  const json& metric = document["metrics"][kKl];
  for (const char* key : {"delta", "delta_low", "delta_high", "p"}) {
    EXPECT_EQ(metric[key], row_of(board, "b")["metrics"][kKl][key]) << key;
  }
  EXPECT_EQ(metric["p_holm"], metric["p"]) << "one comparison";
  EXPECT_EQ(metric["a"]["low"], row_of(board, "a")["metrics"][kKl]["low"]);
  EXPECT_EQ(metric["b"]["high"], row_of(board, "b")["metrics"][kKl]["high"]);
  const json& label = document["metrics"]["eval/kl_per_label/label 1"];
  EXPECT_TRUE(label["p"].is_number());
  EXPECT_GE(label["p_holm"], label["p"]) << "over the labels";
  EXPECT_EQ(document["a"]["name"], "a");
  EXPECT_EQ(document["floor"][kKl], 0.004);
}

TEST(Diff, TakesCellsAndSingleRunsAndNamesTheFields) {
  Bench bench;
  bench.sweep.runs = {seed_of("a", 0), seed_of("a", 1), seed_of("b", 0), seed_of("b", 1)};
  bench.sweep.runs[2].config.set("unet.lr", config::Value(0.5));
  bench.sweep.runs[3].config.set("unet.lr", config::Value(0.5));
  bench.submit();
  bench.add_worker();
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    finish(bench, complete(stats::result_document(seed)));
  }
  EXPECT_EQ(settled_diff(bench, "a", "b")["metrics"][kKl]["seeds"], 2);
  const json runs = settled_diff(bench, "a-s1", "b-s1");
  EXPECT_EQ(runs["metrics"][kKl]["seeds"], 1);
  EXPECT_EQ(runs["config"], json::parse(R"([{"field": "unet.lr", "a": null, "b": 0.5}])"));
  EXPECT_TRUE(settled_diff(bench, "a-s0", "b-s1")["metrics"][kKl]["delta"].is_null())
      << "no seed in common";
  EXPECT_NE(refusal_of([&] { bench.core->diff("a", "nobody"); }).find("names no run"),
            std::string::npos);
  EXPECT_NE(refusal_of([&] { bench.core->diff("@demo", "a"); }).find("names several runs"),
            std::string::npos);
}

TEST(Diff, RefusesACellOfTwoProtocols) {
  Bench bench;
  bench.sweep.runs = {seed_of("a", 0), seed_of("a", 1), seed_of("b", 0)};
  bench.submit();
  bench.add_worker();
  finish(bench, complete(stats::result_document(1)), "p");
  finish(bench, complete(stats::result_document(2)), "q");
  finish(bench, complete(stats::result_document(3)), "p");
  EXPECT_NE(refusal_of([&] { bench.core->diff("b", "a"); }).find("different protocols"),
            std::string::npos);
  EXPECT_TRUE(settled_diff(bench, "b", "a-s0")["metrics"][kKl]["p"].is_number());
}

}  // namespace
}  // namespace sarsweep::coordinator
