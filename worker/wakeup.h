#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace sarsweep::worker {

// A wait that ends early when somebody has news. Thread-safe; a notify before the wait is not lost.
class Wakeup {
 public:
  void notify() {
    {
      const std::lock_guard lock(mutex_);
      news_ = true;
    }
    changed_.notify_all();
  }
  // Returns after `time`, at news, or at a stop request, whichever comes first; takes the news.
  void wait_for(const std::stop_token& stop, std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, time, [this] { return news_; });
    news_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool news_ = false;
};

}  // namespace sarsweep::worker
