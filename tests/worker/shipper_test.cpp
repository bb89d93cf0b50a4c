#include "worker/shipper.h"

#include <gtest/gtest.h>

#include "schema/base/atomic_file.h"
#include "tests/worker/workplace.h"

namespace sarsweep::worker {
namespace {

const LeaseKey kKey = {"7", 1, "token-7"};

std::string lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += "{\"type\":\"metrics\",\"step\":" + std::to_string(i) + "}\n";
  return text;
}

TEST(Shipper, StoresEachLineOnceWhicheverRepliesAreLost) {
  for (const int every : {0, 1, 2, 3, 5}) {
    TempFolder folder;
    FakeCoordinator coordinator("unused");
    coordinator.grant_before("7");
    std::string written;
    Shipper shipper(coordinator, kKey, folder.path());
    for (int piece = 1; piece < 6; ++piece) {
      coordinator.lose_replies(every);
      const std::string text = lines(piece);
      std::ofstream(folder.path() / "events.jsonl", std::ios::app) << text << std::flush;
      written += text;
      shipper.ship(Until::line_end);
      coordinator.lose_replies(0);
      EXPECT_EQ(shipper.ship(Until::line_end), Shipped::all);
      EXPECT_EQ(coordinator.attempt("7").events, written) << "every " << every;
    }
  }
}

TEST(Shipper, GoesOnWhereTheCoordinatorSaysItStands) {
  TempFolder folder;
  FakeCoordinator coordinator("unused");
  const std::string text = lines(10);
  write_file_atomically(folder.path() / "events.jsonl", text);
  coordinator.grant_before("7", text.substr(0, lines(4).size()));
  Shipper shipper(coordinator, kKey, folder.path());
  EXPECT_EQ(shipper.ship(Until::line_end), Shipped::all);
  EXPECT_EQ(coordinator.attempt("7").events, text);
}

TEST(Shipper, SaysFencedForAnOldEpoch) {
  TempFolder folder;
  FakeCoordinator coordinator("unused");
  coordinator.grant_before("7");
  write_file_atomically(folder.path() / "events.jsonl", lines(1));
  Shipper shipper(coordinator, {"7", 0, "token-7"}, folder.path());
  EXPECT_EQ(shipper.ship(Until::line_end), Shipped::fenced);
  EXPECT_EQ(coordinator.attempt("7").events, "");
}

TEST(Shipper, WaitsForSpaceAtTheCoordinator) {
  TempFolder folder;
  FakeCoordinator coordinator("unused");
  coordinator.grant_before("7");
  write_file_atomically(folder.path() / "0.png", "abc");
  const std::string digest = sha256("abc");
  write_file_atomically(folder.path() / "events.jsonl",
                        R"({"type":"sample","file":"0.png","sha256":")" + digest + "\"}\n");
  coordinator.wanted_artifacts = {digest};
  coordinator.set_full(true);
  Shipper shipper(coordinator, kKey, folder.path());
  FinishRequest end;
  end.key = kKey;
  FinishReply reply;
  EXPECT_EQ(shipper.finish(end, reply), Shipped::away);
  coordinator.set_full(false);
  EXPECT_EQ(shipper.finish(end, reply), Shipped::all);
  EXPECT_EQ(coordinator.artifacts().count(digest), 1U);
}

TEST(Shipper, GivesUpAnEndWhoseArtifactIsNowhere) {
  TempFolder folder;
  FakeCoordinator coordinator("unused");
  coordinator.grant_before("7");
  coordinator.wanted_artifacts = {"aa"};
  write_file_atomically(folder.path() / "events.jsonl",
                        "{\"type\":\"sample\",\"sha256\":\"aa\",\"file\":\"samples/gone.png\"}\n");
  Shipper shipper(coordinator, kKey, folder.path());
  FinishReply reply;
  FinishRequest request;
  request.key = kKey;
  EXPECT_EQ(shipper.finish(request, reply), Shipped::refused);
  EXPECT_FALSE(shipper.refusal().empty());
  EXPECT_FALSE(coordinator.attempt("7").finish.has_value());
}

}  // namespace
}  // namespace sarsweep::worker
