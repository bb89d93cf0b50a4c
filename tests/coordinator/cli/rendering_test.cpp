#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "coordinator/cli/diagnostics.h"
#include "coordinator/cli/document.h"
#include "coordinator/cli/run_table.h"
#include "coordinator/cli/sweep_file.h"
#include "coordinator/cli/table.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;

const json kPlan = {{"diagnostics",
                     {{{"file", "sar.yaml"},
                       {"line", 31},
                       {"col", 9},
                       {"severity", "error"},
                       {"code", "unknown_field"},
                       {"message", "unknown field 'rnak' in text_encoders"},
                       {"suggestion", "did you mean 'rank'?"},
                       {"source", "    rnak: [4, 8]"},
                       {"length", 4}},
                      {{"file", "sar.yaml"},
                       {"line", 24},
                       {"col", 34},
                       {"severity", "error"},
                       {"code", "not_divisible"},
                       {"message", "global_batch 100 is not divisible by micro_batch 8"},
                       {"suggestion", "nearest: 96, 112"}},
                      {{"severity", "warning"}, {"message", "bad \x1b[31mtext"}}}}};

TEST(Document, IsWholeInEveryFormat) {
  const json board = {{{"name", "heart-rose-2"},
                       {"label", "te64, \"b8\""},
                       {"metrics", {{"eval/kl_pooled", {{"mean", 0.008543676894629669}}}}},
                       {"rank", 1}},
                      {{"name", "lake"}, {"rank", nullptr}, {"seeds", {0, 1}}}};
  EXPECT_EQ(render(board, Format::csv),
            "label,metrics.eval/kl_pooled.mean,name,rank,seeds\r\n"
            "\"te64, \"\"b8\"\"\",0.008543676894629669,heart-rose-2,1,\r\n"
            ",,lake,,\"[0,1]\"\r\n");
  EXPECT_EQ(render(board, Format::jsonl), board[0].dump() + "\n" + board[1].dump() + "\n");
  EXPECT_EQ(json::parse(render(board, Format::json)), board);
  EXPECT_EQ(render(json{{"a", 1}}, Format::csv), "a\r\n1\r\n");
  EXPECT_EQ(render(json::array(), Format::csv), "");
  EXPECT_EQ(render(json::array({1, 2}), Format::csv), "value\r\n1\r\n2\r\n");
}

TEST(Diagnostics, LookLikeACompilers) {
  std::string text;
  const auto diagnostics = diagnostics_of(kPlan);
  for (const Diagnostic& diagnostic : diagnostics) text += render(diagnostic, false);
  text += closing_line(diagnostics);
  EXPECT_EQ(text,
            "sar.yaml:31:9: error: unknown field 'rnak' in text_encoders\n"
            "   31 |     rnak: [4, 8]\n"
            "      |         ^~~~ did you mean 'rank'?\n"
            "sar.yaml:24:34: error: global_batch 100 is not divisible by micro_batch 8; nearest: "
            "96, 112\n"
            "warning: bad \\x1b[31mtext\n"
            "plan: 2 errors, 1 warning; nothing submitted\n");
}

TEST(Diagnostics, WarningsAloneDoNotStopASubmit) {
  const auto warnings =
      diagnostics_of({{"diagnostics", {{{"severity", "warning"}, {"message", "m"}}}}});
  EXPECT_FALSE(has_errors(warnings));
  EXPECT_EQ(closing_line(warnings), "plan: 0 errors, 1 warning\n");
}

TEST(Table, AlignsByCodePointsAndLeavesNoTrailingBlanks) {
  Table table({{"NAME"}, {"N", Table::Align::right}, {"WHY"}});
  table.add({"größe", "7", ""});
  table.add({"a", "123", "late"});
  EXPECT_EQ(table.text(),
            "NAME     N  WHY\n"
            "größe    7\n"
            "a      123  late\n");
}

TEST(RunTable, ShowsWhatIsKnownAndADashForTheRest) {
  const std::vector<json> runs = {{{"name", "heart-rose-2"},
                                   {"label", "full te8"},
                                   {"sweep", "sar"},
                                   {"state", "running"},
                                   {"step", 120},
                                   {"total_steps", 833},
                                   {"progress", 0.144},
                                   {"eta_s", 3725.2},
                                   {"worker", "w1"},
                                   {"reason", nullptr},
                                   {"alias_of", nullptr}},
                                  {{"name", "b"},
                                   {"label", ""},
                                   {"sweep", "sar"},
                                   {"state", "queued"},
                                   {"alias_of", "heart-rose-2"}}};
  EXPECT_EQ(run_table(runs),
            "NAME          LABEL     SWEEP  STATE       STEP  DONE         ETA  WORKER  REASON\n"
            "heart-rose-2  full te8  sar    running  120/833  14 %  1 h 02 min  w1      -\n"
            "b                       sar    queued         -     -           -  -       alias of "
            "heart-rose-2\n");
}

TEST(SweepFile, AcceptsOnlyUtf8) {
  EXPECT_TRUE(is_utf8("größe \xE2\x82\xAC \xF0\x9F\x9B\xB0"));
  EXPECT_FALSE(is_utf8("\xC0\xAF"));          // overlong
  EXPECT_FALSE(is_utf8("\xED\xA0\x80"));      // a surrogate
  EXPECT_FALSE(is_utf8("abc\xE2\x82"));       // cut short
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));  // beyond Unicode
  EXPECT_FALSE(is_utf8("\x80"));
}

TEST(SweepFile, SendsThePromptFilesTheCoordinatorAsksFor) {
  std::string name = (std::filesystem::temp_directory_path() / "sarsweep-XXXXXX").string();
  const std::filesystem::path folder = mkdtemp(name.data());
  std::ofstream(folder / "a.yaml") << "sweep: a\n";
  std::ofstream(folder / "prompts.txt") << "a field\n";
  SweepSource source = read_sweep_file(folder / "a.yaml", {"train.steps=2"});
  int sent = 0;
  const auto reply =
      post_with_files(source, [&](const SweepSource& posted) -> client::Result<json> {
        ++sent;
        if (posted.files.empty()) {
          return tl::unexpected(client::ApiFailure{
              ErrorCode::invalid, "files", 422, {{"needs_files", {"prompts.txt"}}}});
        }
        return json{{"prompts", posted.files.at("prompts.txt")}, {"dir", posted.dir}};
      });
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(sent, 2);
  EXPECT_EQ(reply->at("prompts"), "a field\n");
  EXPECT_EQ(reply->at("dir"), folder.string());
  std::ofstream(folder / "big.yaml") << std::string((1 << 20) + 1, 'x');
  EXPECT_THROW(read_sweep_file(folder / "big.yaml", {}), Error);
  EXPECT_THROW(read_sweep_file(folder / "none.yaml", {}), Error);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sarsweep::cli
