#include "trainer/dist/nccl_communicator.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <nccl.h>
#include <sched.h>

#include <chrono>
#include <string>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

constexpr std::chrono::minutes kMost{2};

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorCode::unreachable, what); }

class NcclCommunicator final : public Communicator {
 public:
  explicit NcclCommunicator(Communicator& host) : host_(host) {
    ncclUniqueId id{};
    if (host_.first()) check(ncclGetUniqueId(&id));
    host_.broadcast(std::as_writable_bytes(std::span(&id, 1)), 0);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    settle(ncclCommInitRankConfig(&communicator_, host_.size(), id, host_.rank(), &config));
  }
  ~NcclCommunicator() override {
    if (communicator_ != nullptr) ncclCommAbort(communicator_);
  }
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  void barrier() override { host_.barrier(); }
  void broadcast(std::span<std::byte> bytes, int root) override { host_.broadcast(bytes, root); }
  std::vector<std::string> gather(const std::string& bytes) override { return host_.gather(bytes); }
  std::int64_t max(std::int64_t value) override { return host_.max(value); }
  void require_all() override { host_.require_all(); }
  void note_progress() override { host_.note_progress(); }
  void begin_long_work() override { host_.begin_long_work(); }
  void end_long_work() override { host_.end_long_work(); }
  std::optional<Departure> departure() const override { return host_.departure(); }

  bool sums_on_device() const override { return true; }
  void sum(std::span<float> values) override {
    settle(ncclAllReduce(values.data(), values.data(), values.size(), ncclFloat, ncclSum,
                         communicator_, /*stream=*/nullptr));
    cudaError_t state = cudaSuccess;
    wait_while([&] { return (state = cudaStreamQuery(nullptr)) == cudaErrorNotReady; });
    if (state != cudaSuccess) fail(fmt::format("CUDA: {}", cudaGetErrorString(state)));
    settle(ncclSuccess);
  }

  int leave(const Farewell& farewell) override {
    if (farewell.agreed) {
      settle(ncclCommFinalize(communicator_));
      ncclCommDestroy(communicator_);
      communicator_ = nullptr;
    }
    return host_.leave(farewell);
  }

 private:
  void check(ncclResult_t result) const {
    if (result == ncclSuccess) return;
    fail(fmt::format("NCCL: {} ({}); each rank needs a GPU of its own", ncclGetErrorString(result),
                     ncclGetLastError(communicator_)));
  }
  // Until the call that gave `result` is under way on this rank.
  void settle(ncclResult_t result) {
    if (result != ncclInProgress) check(result);
    ncclResult_t state = ncclSuccess;
    wait_while([&] {
      check(ncclCommGetAsyncError(communicator_, &state));
      return state == ncclInProgress;
    });
    check(state);
  }
  template <typename Busy>
  void wait_while(Busy busy) {
    const auto until = std::chrono::steady_clock::now() + kMost;
    while (busy()) {
      host_.require_all();
      if (std::chrono::steady_clock::now() > until) {
        fail(fmt::format("NCCL did not finish within {} minutes", kMost.count()));
      }
      sched_yield();
    }
  }

  Communicator& host_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace

std::unique_ptr<Communicator> sum_by_nccl(Communicator& host) {
  return std::make_unique<NcclCommunicator>(host);
}

}  // namespace sarsweep::trainer
