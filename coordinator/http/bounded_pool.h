#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sarsweep::coordinator {

// Threads behind a bounded queue.
class BoundedPool {
 public:
  BoundedPool(int threads, int waiting);
  ~BoundedPool() { close(); }
  BoundedPool(const BoundedPool&) = delete;
  BoundedPool& operator=(const BoundedPool&) = delete;

  // False where the queue is full: the job is not run. Thread-safe.
  bool add(std::function<void()> job);
  // Runs what is queued and ends the threads; nothing may be added any more.
  void close();

 private:
  void work(const std::stop_token& stop);

  const std::size_t waiting_;
  std::mutex mutex_;
  std::condition_variable_any ready_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::jthread> threads_;
};

}  // namespace sarsweep::coordinator
