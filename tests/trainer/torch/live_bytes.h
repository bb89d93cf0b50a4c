#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

namespace sarsweep::tests {

// The bytes of tensors that this thread has made on the CPU and not given back, counted while it
// lives.
class LiveBytes {
 public:
  LiveBytes() : guard_(c10::DebugInfoKind::PROFILER_STATE, counter_) {}

  std::int64_t now() const { return counter_->now; }
  std::int64_t most() const { return counter_->most; }

 private:
  struct Counter : c10::MemoryReportingInfoBase {
    bool memoryProfilingEnabled() const override { return true; }
    void reportMemoryUsage(void* /*at*/, std::int64_t bytes, std::size_t /*allocated*/,
                           std::size_t /*reserved*/, c10::Device /*device*/) override {
      now += bytes;
      most = std::max(most, now);
    }
    std::int64_t now = 0, most = 0;
  };
  std::shared_ptr<Counter> counter_ = std::make_shared<Counter>();
  c10::DebugInfoGuard guard_;
};

}  // namespace sarsweep::tests
