#include "trainer/core/run/stop_signals.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <utility>

namespace sarsweep::trainer {
namespace {

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void StopSignals::drain() {
  const sigset_t set = watched_signals();
  const timespec at_once{0, 0};
  for (int signal = 0; (signal = sigtimedwait(&set, nullptr, &at_once)) > 0;) {
    (signal == SIGUSR1 ? checkpoint_ : stop_) = true;
  }
}

bool StopSignals::stop_requested() {
  drain();
  return stop_;
}

bool StopSignals::take_checkpoint_request() {
  drain();
  return std::exchange(checkpoint_, false);
}

}  // namespace sarsweep::trainer
