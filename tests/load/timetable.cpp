#include "tests/load/timetable.h"

#include <utility>

namespace sarsweep::load {

Timetable::Timetable(int threads) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

Timetable::~Timetable() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

void Timetable::at(TimePoint due, Deed deed) {
  {
    const std::lock_guard lock(mutex_);
    entries_.push({due, next_number_++, std::move(deed)});
  }
  changed_.notify_one();
}

void Timetable::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    // One thread at a time watches the clock: a deed wakes one of them, not all.
    if (!free_.wait(lock, stop, [this] { return !watched_; })) return;
    watched_ = true;
    std::optional<Entry> next = await_due(lock, stop);
    watched_ = false;
    free_.notify_one();
    if (!next) return;
    lock.unlock();
    next->deed(next->due);
    next.reset();
    lock.lock();
  }
}

std::optional<Timetable::Entry> Timetable::await_due(std::unique_lock<std::mutex>& lock,
                                                     const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (entries_.empty()) {
      changed_.wait(lock, stop, [this] { return !entries_.empty(); });
      continue;
    }
    const TimePoint due = entries_.top().due;
    if (due <= SteadyClock::now()) {
      Entry next = entries_.top();
      entries_.pop();
      return next;
    }
    changed_.wait_until(lock, stop, due, [&] { return entries_.top().due < due; });
  }
  return std::nullopt;
}

}  // namespace sarsweep::load
