#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "coordinator/core/board_statistics.h"

namespace sarsweep::coordinator {

// Computes the statistics of boards on a thread of its own that starts with the first question, and
// keeps the answers. Nobody waits for it but who says so; until an answer is there, the one before
// it is. Boards take turns: a long one is computed in pieces of some seconds, and what is known of
// it by then is an answer, too. Before a board is computed again it rests, the longer the longer
// that took, so that one that changes all the time does not take a processor. Memory: 32 MB of
// results, and the answers that were asked for last, of some 30,000 cells. Thread-safe.
class Statistician {
 public:
  // What an answer is of: a name for the question, and what changes whenever its board does.
  struct Question {
    std::string name;
    std::string state;
  };
  using Read = std::function<Board()>;
  struct Answer {
    std::shared_ptr<const BoardStatistics> statistics;  // nullptr: none yet
    bool current = false;                               // of the state that was asked for
  };

  explicit Statistician(const ObjectStore& objects);
  ~Statistician();

  // What is known; if it is not of this state, it will be computed, of what `read` then returns.
  // `read` is called on the thread of the statistician and may throw.
  Answer look(const Question& question, Read read);
  // Waits until the answer to the question is of this state; false after `patience`.
  bool await(const Question& question, std::chrono::milliseconds patience);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Entry {
    Question question;  // with the state of `statistics`; none while it is not complete
    std::shared_ptr<const BoardStatistics> statistics;
    Time rested;  // when it may be computed again
  };
  struct Job {
    Question question;
    Read read;
    Time due;
  };

  void work(const std::stop_token& stop);
  // The due job, taken from the list; nullopt: there is none, and it was waited for one.
  std::optional<Job> take(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);
  // False where the board is too long for one piece.
  bool compute(const Job& job, const std::stop_token& stop);
  void put(Entry entry);
  void ask(Job job);
  std::list<Entry>::iterator find(const std::string& name);

  ResultCache results_;  // confined to the thread
  std::mutex mutex_;     // of what follows
  std::condition_variable_any changed_;
  std::list<Entry> entries_;  // the one asked for last in front
  std::list<Job> jobs_;       // one a name
  std::optional<Question> busy_;
  std::jthread thread_;
};

}  // namespace sarsweep::coordinator
