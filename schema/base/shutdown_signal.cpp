#include "schema/base/shutdown_signal.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

namespace sarsweep {
namespace {
sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}
}  // namespace

ShutdownSignal::ShutdownSignal() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  waiter_ = std::jthread([this](const std::stop_token& end) {
    const sigset_t waited = stop_signals();
    const timespec tick{0, 50'000'000};  // How long the destructor may have to wait.
    while (!end.stop_requested()) {
      if (sigtimedwait(&waited, nullptr, &tick) > 0) source_.request_stop();
    }
  });
}

ShutdownSignal::~ShutdownSignal() = default;

}  // namespace sarsweep
