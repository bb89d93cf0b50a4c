#pragma once

#include <stop_token>
#include <thread>

namespace sarsweep {

// Turns SIGINT and SIGTERM into a stop token. Build it first in `main`: threads started later
// inherit the blocked mask. Children inherit it too, so whoever spawns one must reset it.
class ShutdownSignal {
 public:
  ShutdownSignal();
  ~ShutdownSignal();
  ShutdownSignal(const ShutdownSignal&) = delete;
  ShutdownSignal& operator=(const ShutdownSignal&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  // Asks for a stop from inside the program, as if a signal had come.
  void request_stop() { source_.request_stop(); }

 private:
  std::stop_source source_;
  std::jthread waiter_;
};

}  // namespace sarsweep
