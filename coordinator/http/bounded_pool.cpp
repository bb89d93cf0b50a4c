#include "coordinator/http/bounded_pool.h"

#include <utility>

namespace sarsweep::coordinator {

BoundedPool::BoundedPool(int threads, int waiting) : waiting_(static_cast<std::size_t>(waiting)) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

bool BoundedPool::add(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (jobs_.size() >= waiting_) return false;
  jobs_.push_back(std::move(job));
  ready_.notify_one();
  return true;
}

void BoundedPool::close() {
  for (std::jthread& thread : threads_) thread.request_stop();
  ready_.notify_all();
  threads_.clear();
}

void BoundedPool::work(const std::stop_token& stop) {
  for (;;) {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, stop, [this] { return !jobs_.empty(); });
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
  }
}

}  // namespace sarsweep::coordinator
