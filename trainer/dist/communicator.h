#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

// Several processes that train one model. Every process (rank) holds the whole model and makes the
// same calls of a Communicator in the same order; what differs is the share of an update's images.
namespace sarsweep::trainer {

// How a rank left before the job's end: by a fault of its own, or without a word.
struct Departure {
  int rank = 0;
  int exit_code = 0;   // the job's
  std::string reason;  // names the rank
};

// How a rank's part of the job came to its end.
struct Farewell {
  int exit_code = 0;
  // Every rank came to this end by the same path, and waits for the others. Else this rank alone
  // cannot go on: the others are told and end with the same code.
  bool agreed = true;
  std::string reason;
};

// The ranks of a job. Confined to the main thread, but for note_progress(). The calls barrier() to
// max() and leave() are made by all ranks and wait for them; each throws Error(unreachable) once a
// rank has departed, and departure() then tells how. What a rank is given for departed:
//   - it called leave() with agreed = false;
//   - its process is gone;
//   - it gave no sign of life for 8 s (stopped, or its machine thrashes). A sign comes from a
//     thread of its own twice a second;
//   - all ranks have been inside the same call for 2 minutes and none gets on;
//   - another rank waits for it in a call before the last one, and it made no progress for
//     10 minutes, or 20 times as long as it ever took from one sign of progress to the next. Such a
//     sign is every call, require_all() and note_progress(). LongWork lifts this rule.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // [0, size)
  virtual int size() const = 0;  // >= 1

  virtual void barrier() = 0;
  // The bytes of rank `root`, on all.
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  // values[i] becomes the sum over the ranks of their values[i], fp32, added in the order of ranks:
  // the same bytes on every rank, and the same at every repetition with this number of ranks.
  // `values` lies in device memory where sums_on_device(), else in the host's.
  virtual void sum(std::span<float> values) = 0;
  virtual bool sums_on_device() const { return false; }
  // What each rank gave, by rank. For small messages: all together below 2 GiB.
  virtual std::vector<std::string> gather(const std::string& bytes) = 0;
  virtual std::int64_t max(std::int64_t value) = 0;
  bool any(bool value) { return max(value ? 1 : 0) != 0; }

  // For long work between two calls: throws as they do.
  virtual void require_all() = 0;
  // Only says that this rank gets on; any thread's.
  virtual void note_progress() = 0;
  // As LongWork does.
  virtual void begin_long_work() = 0;
  virtual void end_long_work() = 0;
  virtual std::optional<Departure> departure() const = 0;

  // The last call. Returns the code this process should exit with. With agreed = false and several
  // ranks it does not return: rank 0 may write the last words first (up to 10 s), then all
  // processes are ended with exit_code.
  virtual int leave(const Farewell& farewell) = 0;

  bool first() const { return rank() == 0; }
};

// While it lives this rank is at work that cannot show how it gets on, such as a file being
// written: the others wait as long as it takes.
class LongWork {
 public:
  explicit LongWork(Communicator& ranks) : ranks_(ranks) { ranks_.begin_long_work(); }
  ~LongWork() { ranks_.end_long_work(); }
  LongWork(const LongWork&) = delete;
  LongWork& operator=(const LongWork&) = delete;

 private:
  Communicator& ranks_;
};

// When a rank is given for departed.
struct RosterLimits {
  std::chrono::milliseconds beat{500};       // between two signs of life
  std::chrono::milliseconds silence{8'000};  // without one
  std::chrono::milliseconds stall{120'000};  // all ranks in one call, and none gets on
  std::chrono::milliseconds hang{600'000};   // without progress, while another rank waits
};

// One rank, one process: nothing to wait for.
std::unique_ptr<Communicator> single_process();

// The ranks that `mpirun -n N` started this process as one of; single_process() where it did not,
// or N is 1. MPI is loaded here, as libsarsweep_mpi.so beside the program, and only for N > 1: a
// machine without MPI runs single processes. Block the signals that shall not end the process
// first: MPI starts threads. Throws Error(invalid) where the ranks are on more than one machine,
// Error(unreachable) where MPI cannot be loaded.
std::unique_ptr<Communicator> join_ranks(const RosterLimits& limits = {});

}  // namespace sarsweep::trainer
