#include "schema/base/clock.h"

namespace sarsweep {
namespace {
class SystemClock final : public Clock {
 public:
  TimePoint steady() const override { return std::chrono::steady_clock::now(); }
  std::int64_t unix_ms() const override {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  }
};
}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace sarsweep
