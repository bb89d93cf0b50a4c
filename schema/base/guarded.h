#pragma once

#include <mutex>
#include <utility>

namespace sarsweep {

// A value that can only be reached under its mutex. Do not call out (HTTP, SQL, callbacks) from
// inside `with`, and do not let a reference escape it.
template <typename T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}

  template <typename F>
  decltype(auto) with(F&& function) {
    const std::lock_guard lock(mutex_);
    return std::forward<F>(function)(value_);
  }
  template <typename F>
  decltype(auto) with(F&& function) const {
    const std::lock_guard lock(mutex_);
    return std::forward<F>(function)(value_);
  }

 private:
  mutable std::mutex mutex_;
  T value_;
};

}  // namespace sarsweep
