#pragma once

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

// The ranks of a job. Confined to the main thread. Every call but rank(), size(), require_all() and
// departure() is made by all ranks and waits for them; each throws Error(unreachable) once a rank
// has departed, and departure() then tells how. What a rank is given for departed:
//   - it called leave() with agreed = false;
//   - its process is gone;
//   - it gave no sign of life for 8 s (stopped, or its machine thrashes). A sign comes from a
//     thread of its own twice a second, so a step may take as long as it likes;
//   - all ranks have been inside the same call for 2 minutes and none gets on.
// A rank that computes for ever is none of these: it cannot be told from a slow one.
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
  virtual std::optional<Departure> departure() const = 0;

  // The last call. Returns the code this process should exit with. With agreed = false and several
  // ranks it does not return: rank 0 may write the last words first (up to 10 s), then all
  // processes are ended with exit_code.
  virtual int leave(const Farewell& farewell) = 0;

  bool first() const { return rank() == 0; }
};

// One rank, one process: nothing to wait for.
std::unique_ptr<Communicator> single_process();

// The ranks that `mpirun -n N` started this process as one of; single_process() where it did not,
// or N is 1. MPI is loaded here, as libsarsweep_mpi.so beside the program, and only for N > 1: a
// machine without MPI runs single processes. Block the signals that shall not end the process
// first: MPI starts threads. Throws Error(invalid) where the ranks are on more than one machine,
// Error(unreachable) where MPI cannot be loaded.
std::unique_ptr<Communicator> join_ranks();

}  // namespace sarsweep::trainer
