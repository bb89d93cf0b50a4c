#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>

#include "schema/base/error.h"

namespace sarsweep::load {

// Lets `time` pass.
inline void pass(std::chrono::milliseconds time) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, time, [] { return false; });
}

// Returns once `condition` holds, looked at every 2 ms; Error(internal) after `limit`.
template <typename Condition>
void await(std::chrono::milliseconds limit, const std::string& what, const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      throw Error(ErrorCode::internal, "waited in vain until " + what);
    }
    pass(std::chrono::milliseconds(2));
  }
}

}  // namespace sarsweep::load
