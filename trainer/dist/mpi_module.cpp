#include "trainer/dist/mpi_module.h"

#include <fmt/format.h>
#include <mpi.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <new>
#include <numeric>
#include <string_view>
#include <thread>

#include "schema/base/error.h"
#include "trainer/dist/roster.h"

namespace sarsweep::trainer {
namespace {

using std::chrono::microseconds;

constexpr std::size_t kFloatsAtOnce = std::size_t{8} << 20;
constexpr std::size_t kBytesAtOnce = std::size_t{1} << 30;
constexpr std::chrono::seconds kLastWords{10};

void check(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(ErrorCode::unreachable, fmt::format("{}: {}", call, text.data()));
}

// Between two looks at a request: ever longer, as the wait goes on.
class Pause {
 public:
  void rest() {
    if (++turns_ < kEager) {
      sched_yield();
      return;
    }
    std::this_thread::sleep_for(nap_);
    nap_ = std::min(nap_ * 2, kLongest);
  }

 private:
  static constexpr int kEager = 500;
  static constexpr microseconds kLongest{2'000};
  int turns_ = 0;
  microseconds nap_{20};
};

// The cells of all ranks in memory of rank 0 that every rank maps.
class SharedCells {
 public:
  SharedCells(int rank, int size) : size_(size) {
    MPI_Comm neighbours = MPI_COMM_NULL;
    int here = 0;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &neighbours);
    MPI_Comm_size(neighbours, &here);
    MPI_Comm_free(&neighbours);
    int fewest = 0;
    MPI_Allreduce(&here, &fewest, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (fewest != size) {
      throw Error(ErrorCode::invalid,
                  fmt::format("only {} of {} ranks are on one machine; start them all on one, as "
                              "in mpirun --host localhost:{} -n {}",
                              fewest, size, size, size));
    }
    const MPI_Aint bytes = rank == 0 ? static_cast<MPI_Aint>(sizeof(RankCell)) * size : 0;
    void* memory = nullptr;
    check(MPI_Win_allocate_shared(bytes, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &memory, &window_),
          "MPI_Win_allocate_shared");
    MPI_Aint length = 0;
    int unit = 0;
    check(MPI_Win_shared_query(window_, 0, &length, &unit, &memory), "MPI_Win_shared_query");
    // The window begins on a page of its own, so alignas(RankCell) holds on every rank.
    cells_ = static_cast<RankCell*>(memory);
    if (rank == 0) std::uninitialized_default_construct_n(cells_, static_cast<std::size_t>(size));
    MPI_Barrier(MPI_COMM_WORLD);
  }
  void release() { MPI_Win_free(&window_); }
  std::span<RankCell> all() const { return {cells_, static_cast<std::size_t>(size_)}; }

 private:
  int size_;
  MPI_Win window_ = MPI_WIN_NULL;
  RankCell* cells_ = nullptr;
};

// Nonblocking calls alone, so that a wait can end when a rank departs.
class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(int rank, int size, const RosterLimits& limits)
      : rank_(rank),
        size_(size),
        cells_(rank, size),
        roster_(std::in_place, cells_.all(), rank, system_clock(), limits) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void barrier() override {
    wait_for("barrier", [](MPI_Request* r) { return MPI_Ibarrier(MPI_COMM_WORLD, r); });
  }

  void broadcast(std::span<std::byte> bytes, int root) override {
    for (std::size_t begin = 0; begin < bytes.size(); begin += kBytesAtOnce) {
      const std::span<std::byte> part =
          bytes.subspan(begin, std::min(kBytesAtOnce, bytes.size() - begin));
      wait_for("broadcast", [&](MPI_Request* r) {
        return MPI_Ibcast(part.data(), static_cast<int>(part.size()), MPI_BYTE, root,
                          MPI_COMM_WORLD, r);
      });
    }
  }

  void sum(std::span<float> values) override {
    for (std::size_t begin = 0; begin < values.size(); begin += kFloatsAtOnce) {
      sum_part(values.subspan(begin, std::min(kFloatsAtOnce, values.size() - begin)));
    }
  }

  std::vector<std::string> gather(const std::string& bytes) override {
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(size_));
    auto own = static_cast<std::int64_t>(bytes.size());
    wait_for("gather", [&](MPI_Request* r) {
      return MPI_Iallgather(&own, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, MPI_COMM_WORLD, r);
    });
    const std::vector<int> counts = counts_of(sizes), starts = starts_of(counts);
    std::string all(static_cast<std::size_t>(starts.back() + counts.back()), '\0');
    wait_for("gather", [&](MPI_Request* r) {
      return MPI_Iallgatherv(bytes.data(), counts[index()], MPI_BYTE, all.data(), counts.data(),
                             starts.data(), MPI_BYTE, MPI_COMM_WORLD, r);
    });
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      parts.push_back(
          all.substr(static_cast<std::size_t>(starts[i]), static_cast<std::size_t>(counts[i])));
    }
    return parts;
  }

  std::int64_t max(std::int64_t value) override {
    std::int64_t result = 0;
    wait_for("max", [&](MPI_Request* r) {
      return MPI_Iallreduce(&value, &result, 1, MPI_INT64_T, MPI_MAX, MPI_COMM_WORLD, r);
    });
    return result;
  }

  void require_all() override { roster_->require_all(); }
  void note_progress() override { roster_->note_progress(); }
  void begin_long_work() override { roster_->begin_long_work(); }
  void end_long_work() override { roster_->end_long_work(); }
  std::optional<Departure> departure() const override { return roster_->departure(); }

  int leave(const Farewell& farewell) override {
    if (!farewell.agreed) abandon(farewell.exit_code, farewell.reason);
    roster_->expect_the_end();
    try {
      barrier();
    } catch (const Error& error) {
      abandon(farewell.exit_code, error.what());
    }
    roster_.reset();
    cells_.release();
    MPI_Finalize();
    // mpirun ends the others at the first code that is not 0, and takes it for its own.
    return rank_ == 0 ? farewell.exit_code : 0;
  }

 private:
  std::size_t index() const { return static_cast<std::size_t>(rank_); }

  template <typename Start>
  void wait_for(std::string_view call, Start start) {
    MPI_Request request = MPI_REQUEST_NULL;
    roster_->enter_call();
    check(start(&request), call);
    Pause pause;
    for (;;) {
      int done = 0;
      check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), call);
      if (done != 0) break;
      roster_->require_all();
      pause.rest();
    }
    roster_->end_call();
  }

  static std::vector<int> counts_of(const std::vector<std::int64_t>& sizes) {
    const std::int64_t all = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
    if (all > std::numeric_limits<int>::max()) {
      throw Error(ErrorCode::internal, fmt::format("{} bytes are too many for one gather", all));
    }
    return {sizes.begin(), sizes.end()};
  }
  static std::vector<int> starts_of(const std::vector<int>& counts) {
    std::vector<int> starts(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), starts.begin(), 0);
    return starts;
  }

  // Rank k adds up the k-th segment of all and hands it round. MPI's own reductions may add in
  // another order from one count to the next.
  void sum_part(std::span<float> values) {
    std::vector<int> counts;
    const std::size_t ranks = static_cast<std::size_t>(size_);
    for (std::size_t r = 0; r < ranks; ++r) {
      const std::size_t begin = values.size() * r / ranks, end = values.size() * (r + 1) / ranks;
      counts.push_back(static_cast<int>(end - begin));
    }
    const std::vector<int> starts = starts_of(counts);
    const auto own = static_cast<std::size_t>(counts[index()]);
    std::vector<int> own_counts(ranks, counts[index()]);
    const std::vector<int> own_starts = starts_of(own_counts);
    received_.resize(own * ranks);
    wait_for("sum", [&](MPI_Request* r) {
      return MPI_Ialltoallv(values.data(), counts.data(), starts.data(), MPI_FLOAT,
                            received_.data(), own_counts.data(), own_starts.data(), MPI_FLOAT,
                            MPI_COMM_WORLD, r);
    });
    for (std::size_t r = 1; r < ranks; ++r) {
      for (std::size_t i = 0; i < own; ++i) received_[i] += received_[r * own + i];
    }
    wait_for("sum", [&](MPI_Request* r) {
      return MPI_Iallgatherv(received_.data(), counts[index()], MPI_FLOAT, values.data(),
                             counts.data(), starts.data(), MPI_FLOAT, MPI_COMM_WORLD, r);
    });
  }

  [[noreturn]] void abandon(int exit_code, const std::string& reason) {
    const int code = departure() ? departure()->exit_code : exit_code;
    roster_->leave(code, reason);
    const auto until = std::chrono::steady_clock::now() + kLastWords;
    while (roster_->first_is_going() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(microseconds(2'000));
    }
    MPI_Abort(MPI_COMM_WORLD, code);
    std::_Exit(code);
  }

  int rank_, size_;
  SharedCells cells_;
  std::optional<Roster> roster_;
  std::vector<float> received_;
};

}  // namespace
}  // namespace sarsweep::trainer

extern "C" __attribute__((visibility("default"))) sarsweep::trainer::Communicator*
sarsweep_open_mpi(const sarsweep::trainer::RosterLimits& limits) {
  int threads = MPI_THREAD_SINGLE, rank = 0, size = 1;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &threads);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  try {
    return new sarsweep::trainer::MpiCommunicator(rank, size, limits);
  } catch (...) {
    MPI_Finalize();
    throw;
  }
}
