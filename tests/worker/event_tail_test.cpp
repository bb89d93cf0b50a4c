#include "worker/event_tail.h"

#include <gtest/gtest.h>

#include "tests/worker/workplace.h"

namespace sarsweep::worker {
namespace {

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::app) << text << std::flush;
}

TEST(ReadFrom, StopsAtTheLastNewlineWhileTheFileGrows) {
  TempFolder folder;
  const auto file = folder.path() / "events.jsonl";
  EXPECT_EQ(read_from(file, 0, 100, Until::line_end), "");
  write(file, "{\"a\":1}\n{\"b\":");
  EXPECT_EQ(read_from(file, 0, 100, Until::line_end), "{\"a\":1}\n");
  EXPECT_EQ(read_from(file, 8, 100, Until::line_end), "");
  write(file, "2}\n");
  EXPECT_EQ(read_from(file, 8, 100, Until::line_end), "{\"b\":2}\n");
}

TEST(ReadFrom, TakesAWholeLineThatIsLongerThanThePiece) {
  TempFolder folder;
  const auto file = folder.path() / "events.jsonl";
  const std::string line(1020, 'x');
  write(file, line + "\nshort\n");
  EXPECT_EQ(read_from(file, 0, 16, Until::line_end), line + "\n");
}

TEST(ReadFrom, TakesAnUnfinishedLineOnceNobodyWrites) {
  TempFolder folder;
  const auto file = folder.path() / "trainer.log";
  write(file, "one\ntwo");
  EXPECT_EQ(read_from(file, 0, 100, Until::file_end), "one\ntwo");
  EXPECT_EQ(stream_size(file, Until::file_end), 7);
  EXPECT_EQ(stream_size(file, Until::line_end), 4);
}

TEST(EventTail, KeepsArtifactsAndTheEndAndNothingOutsideTheRunDirectory) {
  TempFolder folder;
  const auto file = folder.path() / "events.jsonl";
  write(file,
        "{\"type\":\"sample\",\"sha256\":\"aa\",\"file\":\"samples/0.png\"}\n"
        "{\"type\":\"sample\",\"sha256\":\"bb\",\"file\":\"../../secret\"}\n"
        "{\"type\":\"sample\",\"sha256\":\"cc\",\"file\":\"/etc/passwd\"}\n"
        "not json\n"
        "{\"type\":\"end\",\"exit_code\":77,\"reason\":\"diverged\"}\n"
        "{\"type\":\"end\",\"exit_code\":0");
  EventTail tail(folder.path());
  tail.update();
  tail.update();
  ASSERT_EQ(tail.artifacts().size(), 1U);
  EXPECT_EQ(tail.artifacts()[0].file, folder.path() / "samples/0.png");
  ASSERT_TRUE(tail.end().has_value());
  EXPECT_EQ(tail.end()->exit_code, 77);
}

}  // namespace
}  // namespace sarsweep::worker
