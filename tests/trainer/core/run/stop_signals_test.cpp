#include "trainer/core/run/stop_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace sarsweep::trainer {
namespace {

TEST(StopSignals, CheckpointRequestIsTakenOnceAndDoesNotStop) {
  StopSignals signals;
  EXPECT_FALSE(signals.take_checkpoint_request());
  ::kill(::getpid(), SIGUSR1);
  EXPECT_FALSE(signals.stop_requested());
  EXPECT_TRUE(signals.take_checkpoint_request());
  EXPECT_FALSE(signals.take_checkpoint_request());
}

TEST(StopSignals, StopStaysRequested) {
  StopSignals signals;
  EXPECT_FALSE(signals.stop_requested());
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(signals.stop_requested());
  EXPECT_TRUE(signals.stop_requested());
}

TEST(StopSignals, Sigusr2StopsAsMpirunHandsItOn) {
  StopSignals signals;
  ::kill(::getpid(), SIGUSR2);
  EXPECT_FALSE(signals.take_checkpoint_request());
  EXPECT_TRUE(signals.stop_requested());
}

}  // namespace
}  // namespace sarsweep::trainer
