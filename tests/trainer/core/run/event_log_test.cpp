#include "trainer/core/run/event_log.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "tests/support/file_limit.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class FixedClock : public Clock {
 public:
  TimePoint steady() const override { return {}; }
  std::int64_t unix_ms() const override { return 1234; }
};

class EventLogFile : public ::testing::Test {
 protected:
  EventLogFile() {
    std::string pattern = (fs::temp_directory_path() / "sarsweep-events-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    file_ = root_ / "events.jsonl";
  }
  ~EventLogFile() override { fs::remove_all(root_); }

  std::vector<json> events() const {
    std::ifstream in(file_);
    std::vector<json> all;
    for (std::string line; std::getline(in, line);) all.push_back(json::parse(line));
    return all;
  }

  FixedClock clock_;
  fs::path root_, file_;
};

TEST_F(EventLogFile, EachEventIsOneLineWithTimeAndType) {
  EventLog log(file_, clock_);
  log.write("checkpoint", {{"step", 5}, {"path", "checkpoints/step-00000005"}});
  log.write("warning", {{"message", "two\nlines"}});
  const std::vector<json> all = events();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0], (json{{"t", 1234},
                          {"type", "checkpoint"},
                          {"step", 5},
                          {"path", "checkpoints/step-00000005"}}));
  EXPECT_EQ(all[1]["message"], "two\nlines");
}

TEST_F(EventLogFile, NonFiniteNumbersBecomeText) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EventLog(file_, clock_)
      .write("metrics",
             {{"step", 1},
              {"values", {{"a", std::nan("")}, {"b", kInfinity}, {"c", -kInfinity}, {"d", 0.5}}}});
  EXPECT_EQ(events()[0]["values"], (json{{"a", "nan"}, {"b", "inf"}, {"c", "-inf"}, {"d", 0.5}}));
}

TEST_F(EventLogFile, TornTailOfAKilledProcessIsCutOff) {
  { EventLog(file_, clock_).write("stage", {{"name", "train"}}); }
  { std::ofstream(file_, std::ios::app) << R"({"t": 1, "type": "metr)"; }
  EventLog(file_, clock_).write("stage", {{"name", "sample"}});
  ASSERT_EQ(events().size(), 2u);
  EXPECT_EQ(events()[1]["name"], "sample");
}

TEST_F(EventLogFile, BytesThatAreNotUtf8DoNotBreakTheLine) {
  EventLog(file_, clock_).write("warning", {{"message", std::string("caf\xe9")}});
  EXPECT_EQ(events().size(), 1u);
}

TEST_F(EventLogFile, UnwritablePlaceIsAnError) {
  EXPECT_THROW(EventLog(root_ / "absent" / "events.jsonl", clock_), Error);
}

TEST_F(EventLogFile, WithoutAFileNothingIsWritten) {
  EventLog({}, clock_).write("stage", {{"name", "train"}});
  EXPECT_TRUE(fs::is_empty(root_));
}

TEST_F(EventLogFile, ALineThatTheDiskTookInPartIsTakenBackSoThatTheNextStandsAlone) {
  FixedClock clock;
  EventLog log(file_, clock);
  log.write("warning", {{"message", "first"}});
  {
    const sarsweep::testing::FileLimit limit(fs::file_size(file_) + 10);
    EXPECT_THROW(log.write("warning", {{"message", "too long for the disk"}}), Error);
  }
  log.write("end", {{"exit_code", 75}});
  ASSERT_EQ(events().size(), 2U);
  EXPECT_EQ(events()[1]["exit_code"], 75);
}

}  // namespace
}  // namespace sarsweep::trainer
