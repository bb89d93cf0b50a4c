#include "coordinator/cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sarsweep::cli {
namespace {

using testing::HasSubstr;

Refusal refused(const std::vector<std::string>& arguments) {
  const auto parsed = parse_arguments(arguments);
  const auto* refusal = std::get_if<Refusal>(&parsed);
  EXPECT_NE(refusal, nullptr);
  return refusal == nullptr ? Refusal{} : *refusal;
}

TEST(Arguments, ProposeTheNearestCommand) {
  const Refusal refusal = refused({"sumbit", "radar.yaml"});
  EXPECT_EQ(refusal.exit, Exit::usage);
  EXPECT_THAT(refusal.text, HasSubstr("no command 'sumbit'; did you mean 'sarsweep submit'?"));
  EXPECT_THAT(refused({"--home", "x", "leaderbord"}).text, HasSubstr("leaderboard"));
  EXPECT_THAT(refused({"train"}).text, HasSubstr("no command 'train'"));
}

TEST(Arguments, SayWhatIsMissing) {
  EXPECT_THAT(refused({"submit"}).text, HasSubstr("submit: file is required"));
  EXPECT_THAT(refused({"wait"}).text, HasSubstr("wait: runs or --where is required"));
  EXPECT_THAT(refused({"ls", "-o", "xml"}).text, HasSubstr("xml not in {"));
  EXPECT_THAT(refused({"up", "--port", "99999"}).text, HasSubstr("99999"));
  EXPECT_THAT(refused({}).text, HasSubstr("Usage"));
  EXPECT_EQ(refused({}).exit, Exit::usage);
}

TEST(Arguments, HelpIsNoError) {
  EXPECT_EQ(refused({"--help"}).exit, Exit::ok);
  const Refusal help = refused({"cancel", "--help"});
  EXPECT_EQ(help.exit, Exit::ok);
  EXPECT_THAT(help.text, HasSubstr("undo: resume"));
}

TEST(Arguments, GlobalOptionsStandBeforeOrBehindTheCommand) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"-o", "json", "--url", "http://h:1", "ls"},
        std::vector<std::string>{"ls", "-o", "json", "--url", "http://h:1"}}) {
    const auto parsed = parse_arguments(words);
    const auto* command = std::get_if<Command>(&parsed);
    ASSERT_NE(command, nullptr);
    EXPECT_EQ(command->preferences.format, Format::json);
    EXPECT_EQ(command->preferences.url, "http://h:1");
  }
}

TEST(Arguments, WhatFollowsWorkerIsLeftToTheWorker) {
  EXPECT_TRUE(std::holds_alternative<Command>(
      parse_arguments({"--home", "h", "worker", "--name", "a", "--workers", "2"})));
  EXPECT_TRUE(std::holds_alternative<Command>(parse_arguments({"worker"})));
  EXPECT_THAT(refused({"worker", "drain", "--help"}).text, HasSubstr("undo: worker undrain"));
  EXPECT_TRUE(
      std::holds_alternative<Command>(parse_arguments({"apply", "radar.yaml", "--set", "a=1"})));
}

}  // namespace
}  // namespace sarsweep::cli
