#include "coordinator/cli/statistics_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "coordinator/cli/commands.h"
#include "tests/support/canned_server.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(StatisticsText, RoundsToTwoDigitsOfTheError) {
  EXPECT_EQ(with_error(0.33123, 0.2901, 0.3721), "0.331 ± 0.041");
  EXPECT_EQ(with_error(1.6149, 1.49, 1.73), "1.61 ± 0.12");
  EXPECT_EQ(with_error(1234.5, 1100, 1400), "1234 ± 150");
  EXPECT_EQ(with_error(0.0000012, 0.000001, 0.0000014), "1.2e-06 ± 2e-07");
  EXPECT_EQ(with_error(0.1788, 0.0054, 0.1318), "0.179 [0.005, 0.132]");
  EXPECT_EQ(with_error(3e-6, 1e-6, 1.5e-6), "3e-06 [1e-06, 1.5e-06]");
  EXPECT_EQ(with_error(0.33123, nullptr, nullptr), "0.3312");
  EXPECT_EQ(with_error(0.5, 0.5, 0.5), "0.5 ± 0");
  EXPECT_EQ(with_error(nullptr, nullptr, nullptr), "-");
  EXPECT_EQ(with_error("nan", nullptr, nullptr), "nan");
}

TEST(StatisticsText, StarsOnlyWhatHolmLeaves) {
  const auto text = [](json p_holm, json n = nullptr, json seeds = nullptr) {
    return difference_text({{"delta", -0.098},
                            {"delta_low", -0.119},
                            {"delta_high", -0.077},
                            {"p", 0.0001},
                            {"p_holm", std::move(p_holm)},
                            {"power_n", std::move(n)},
                            {"power_seeds", std::move(seeds)}});
  };
  EXPECT_EQ(text(0.0004), "-0.098 ± 0.021 ***");
  EXPECT_EQ(text(0.004), "-0.098 ± 0.021 **");
  EXPECT_EQ(text(0.04), "-0.098 ± 0.021 *");
  EXPECT_EQ(text(0.2, 1270), "-0.098 ± 0.021 (n 1270)");
  EXPECT_EQ(text(0.2, nullptr, 7), "-0.098 ± 0.021 (7 seeds)");
  EXPECT_EQ(text(nullptr), "-0.098 ± 0.021");
  EXPECT_EQ(difference_text({{"delta", 0.5}}), "+0.5");
  EXPECT_EQ(difference_text({{"delta", nullptr}}), "-");
}

TEST(StatisticsText, NamesTheRangeOfATie) {
  EXPECT_EQ(rank_text({{"rank", 1}, {"rank_low", 1}, {"rank_high", 3}}), "1-3");
  EXPECT_EQ(rank_text({{"rank", 2}, {"rank_low", 2}, {"rank_high", 2}}), "2");
  EXPECT_EQ(rank_text({{"rank", 4}, {"rank_low", nullptr}, {"rank_high", nullptr}}), "4");
  EXPECT_EQ(rank_text({{"rank", nullptr}}), "-");
}

TEST(StatisticsText, EscapesWhatAPaperWouldRead) {
  const std::vector<std::vector<std::string>> cells = {{"NAME", "KL"}, {"a_b|c & 5 %", "1 ± 2 *"}};
  EXPECT_EQ(markdown_table(cells),
            "| NAME | KL |\n| --- | --- |\n| a\\_b\\|c & 5 % | 1 ± 2 \\* |\n");
  EXPECT_EQ(latex_table(cells),
            "\\begin{tabular}{ll}\n\\hline\nNAME & KL \\\\\n\\hline\n"
            "a\\_b|c \\& 5 \\% & 1 $\\pm$ 2 * \\\\\n\\hline\n\\end{tabular}\n");
}

class Shell {
 public:
  explicit Shell(std::function<CannedServer::Answer(const CannedServer::Asked&)> answer)
      : server_(std::move(answer)) {
    std::string name = (std::filesystem::temp_directory_path() / "sarsweep-XXXXXX").string();
    home_ = mkdtemp(name.data());
    std::ofstream(home_ / "token") << "sar_1.secret\n";
    std::ofstream(home_ / "url") << server_.url() << "\n";
  }
  ~Shell() { std::filesystem::remove_all(home_); }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  Session session(Format format) {
    Preferences preferences;
    preferences.home = home_;
    preferences.format = format;
    return {preferences, out, err, {}};
  }
  std::vector<CannedServer::Asked> asked() { return server_.asked(); }

  std::ostringstream out, err;

 private:
  CannedServer server_;
  std::filesystem::path home_;
};

json metric(double mean, double half, json delta, json p_holm) {
  return {{"mean", mean},
          {"low", mean - half},
          {"high", mean + half},
          {"delta", delta},
          {"delta_low", delta.is_null() ? delta : json(delta.get<double>() - half)},
          {"delta_high", delta.is_null() ? delta : json(delta.get<double>() + half)},
          {"p", p_holm},
          {"p_holm", p_holm},
          {"power_n", nullptr},
          {"power_seeds", nullptr}};
}

json board(bool computing) {
  const auto row = [&](const char* name, int rank, json kl) {
    return json{{"rank", rank},
                {"rank_low", 1},
                {"rank_high", 2},
                {"name", name},
                {"label", "te8"},
                {"seeds", 1},
                {"one_seed", true},
                {"n_images", 330},
                {"states", {{"done", 1}}},
                {"baseline", "rose"},
                {"protocol_hash", "0123456789abcdef"},
                {"floor", {{"eval/kl_pooled", 0.0041}}},
                {"computing", computing},
                {"metrics", {{"eval/kl_pooled", std::move(kl)}, {"val/loss", {{"mean", 0.5}}}}}};
  };
  return {row("rose", 1, metric(0.23, 0.04, nullptr, nullptr)),
          row("whale", 1, metric(0.33, 0.04, 0.1, 0.004))};
}

TEST(Leaderboard, WaitsForTheIntervalsAndShowsThemWithTheFloor) {
  std::atomic<int> asked = 0;
  Shell shell([&](const CannedServer::Asked& request) -> CannedServer::Answer {
    if (request.target.starts_with("/api/v1/sweeps/")) {
      return {200, {{"report", {"eval/kl_pooled", "val/loss"}}}};
    }
    return {200, board(asked++ < 2)};
  });
  Session session = shell.session(Format::table);
  EXPECT_EQ(leaderboard(session, {.sweep = "@paper", .baseline = "rose"}), Exit::ok);
  EXPECT_EQ(
      shell.out.str(),
      "RANK  NAME                 LABEL   SEEDS    N  STATES  eval/kl_pooled                  Δ"
      "  val/loss  PROTOCOL\n"
      " 1-2  rose                 te8    1 seed  330  1 done   0.230 ± 0.040           baseline"
      "       0.5  01234567\n"
      " 1-2  whale                te8    1 seed  330  1 done   0.330 ± 0.040  +0.100 ± 0.040 **"
      "       0.5  01234567\n"
      "      (real against real)                                      0.0041\n");
  EXPECT_THAT(shell.err.str(), HasSubstr("after Holm"));
  EXPECT_EQ(asked, 3);
  EXPECT_THAT(shell.asked().front().target, HasSubstr("baseline=rose"));
}

TEST(Leaderboard, IsATableForAPaper) {
  Shell shell([&](const CannedServer::Asked& request) -> CannedServer::Answer {
    if (request.target.starts_with("/api/v1/sweeps/"))
      return {200, {{"report", {"eval/kl_pooled"}}}};
    return {200, board(false)};
  });
  Session session = shell.session(Format::latex);
  EXPECT_EQ(leaderboard(session, {.sweep = "paper"}), Exit::ok);
  EXPECT_THAT(shell.out.str(), HasSubstr("& 0.330 $\\pm$ 0.040 & +0.100 $\\pm$ 0.040 **"));
  Session other = shell.session(Format::markdown);
  EXPECT_THROW(other.print_document(json::object()), Error) << "not every command has such a table";
}

TEST(Diff, ShowsFieldsAndNumbersAndWhyThereAreNone) {
  json document = {{"a", {{"name", "rose"}, {"seeds", 3}, {"protocol_hash", "p"}}},
                   {"b", {{"name", "whale"}, {"seeds", 1}, {"protocol_hash", "p"}}},
                   {"config", {{{"field", "unet.rank"}, {"a", 4}, {"b", 8}}}},
                   {"floor", {{"eval/kl_pooled", 0.0041}}},
                   {"computing", false}};
  json numbers = metric(0.0, 0.04, 0.1, 0.004);
  numbers["a"] = {{"mean", 0.23}, {"low", 0.19}, {"high", 0.27}};
  numbers["b"] = {{"mean", 0.33}, {"low", 0.29}, {"high", 0.37}};
  document["metrics"]["eval/kl_pooled"] = numbers;
  Shell shell([&](const auto&) -> CannedServer::Answer { return {200, document}; });
  Session session = shell.session(Format::table);
  EXPECT_EQ(diff(session, {.a = "rose", .b = "whale"}), Exit::ok);
  EXPECT_THAT(shell.out.str(), HasSubstr("unet.rank  4     8\n"));
  EXPECT_THAT(shell.out.str(),
              HasSubstr("  0.230 ± 0.040   0.330 ± 0.040  +0.100 ± 0.040 **  0.004  0.0041\n"));
  EXPECT_THAT(shell.out.str(), HasSubstr("rose (3 seeds)  whale (1 seed)"));
  document["b"]["protocol_hash"] = "q";
  diff(session, {.a = "rose", .b = "whale"});
  EXPECT_THAT(shell.err.str(), HasSubstr("different protocols"));
}

}  // namespace
}  // namespace sarsweep::cli
