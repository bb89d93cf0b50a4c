#include "coordinator/core/statistician.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "schema/base/log.h"

namespace sarsweep::coordinator {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kResultBytes = 32U << 20U;
constexpr std::size_t kMostCells = 30'000;
constexpr auto kPiece = std::chrono::seconds(5);
constexpr int kRest = 4;  // times what the last piece took, which is at most a few more seconds

}  // namespace

Statistician::Statistician(const ObjectStore& objects) : results_(objects, kResultBytes) {}

Statistician::~Statistician() {
  thread_.request_stop();
  changed_.notify_all();
}

Statistician::Answer Statistician::look(const Question& question, Read read) {
  const std::lock_guard lock(mutex_);
  const auto known = find(question.name);
  Answer answer;
  if (known != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, known);
    answer = {known->statistics, known->question.state == question.state};
  }
  if (answer.current) return answer;
  if (busy_ && busy_->name == question.name && busy_->state == question.state) return answer;
  const Time now = steady_clock::now();
  ask({question, std::move(read), known == entries_.end() ? now : std::max(now, known->rested)});
  if (!thread_.joinable()) {
    thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
  }
  return answer;
}

// In place of a job of that name, whose turn it keeps.
void Statistician::ask(Job job) {
  const auto asked = std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& each) {
    return each.question.name == job.question.name;
  });
  if (asked == jobs_.end()) {
    jobs_.push_back(std::move(job));
  } else {
    job.due = asked->due;
    *asked = std::move(job);
  }
  changed_.notify_all();
}

bool Statistician::await(const Question& question, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] {
    const auto known = find(question.name);
    return known != entries_.end() && known->question.state == question.state;
  });
}

std::list<Statistician::Entry>::iterator Statistician::find(const std::string& name) {
  return std::find_if(entries_.begin(), entries_.end(),
                      [&](const Entry& entry) { return entry.question.name == name; });
}

void Statistician::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    std::optional<Job> job = take(lock, stop);
    if (!job) continue;
    busy_ = job->question;
    lock.unlock();
    const bool done = compute(*job, stop);
    lock.lock();
    busy_.reset();
    if (done) continue;
    const bool asked = std::any_of(jobs_.begin(), jobs_.end(), [&](const Job& each) {
      return each.question.name == job->question.name;
    });
    job->due = steady_clock::now();
    if (!asked) ask(std::move(*job));
  }
}

std::optional<Statistician::Job> Statistician::take(std::unique_lock<std::mutex>& lock,
                                                    const std::stop_token& stop) {
  const auto next = [&] {
    return std::min_element(jobs_.begin(), jobs_.end(),
                            [](const Job& a, const Job& b) { return a.due < b.due; });
  };
  const auto is_due = [&] { return !jobs_.empty() && next()->due <= steady_clock::now(); };
  if (jobs_.empty()) {
    changed_.wait(lock, stop, [&] { return !jobs_.empty(); });
    return std::nullopt;
  }
  if (!is_due()) {
    const Time due = next()->due;
    changed_.wait_until(lock, stop, due, is_due);
    return std::nullopt;
  }
  const auto found = next();
  Job job = std::move(*found);
  jobs_.erase(found);
  return job;
}

bool Statistician::compute(const Job& job, const std::stop_token& stop) {
  std::shared_ptr<const BoardStatistics> previous;
  {
    const std::lock_guard lock(mutex_);
    const auto known = find(job.question.name);
    if (known != entries_.end()) previous = known->statistics;
  }
  const Time begun = steady_clock::now();
  const auto enough = [&] { return stop.stop_requested() || steady_clock::now() - begun > kPiece; };
  Entry entry{job.question, previous, {}};
  try {
    entry.statistics = std::make_shared<const BoardStatistics>(
        board_statistics(job.read(), previous.get(), results_, enough));
    if (!entry.statistics->complete) entry.question.state.clear();
  } catch (const std::exception& error) {  // Asked again when the board has changed.
    spdlog::error("statistics of {}: {}", job.question.name, printable(error.what()));
  }
  const Time now = steady_clock::now();
  const bool done = !entry.question.state.empty();
  entry.rested = done ? now + (now - begun) * kRest : now;
  put(std::move(entry));
  return done;
}

void Statistician::put(Entry entry) {
  const std::lock_guard lock(mutex_);
  const auto known = find(entry.question.name);
  if (known != entries_.end()) entries_.erase(known);
  entries_.push_front(std::move(entry));
  std::size_t cells = 0;
  for (auto each = entries_.begin(); each != entries_.end();) {
    cells += each->statistics == nullptr ? 1 : each->statistics->cells.size();
    const bool fits = each == entries_.begin() || cells <= kMostCells;
    each = fits ? std::next(each) : entries_.erase(each);
  }
  changed_.notify_all();
}

}  // namespace sarsweep::coordinator
