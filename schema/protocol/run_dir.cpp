#include "schema/protocol/run_dir.h"

#include <fmt/format.h>

namespace sarsweep::run_dir {

std::string step_name(long step) { return fmt::format("step-{:08d}", step); }

std::filesystem::path attempt_dir(const std::filesystem::path& store, const std::string& run_id,
                                  long lease_epoch) {
  return store / "runs" / run_id / fmt::format("e{}", lease_epoch);
}

}  // namespace sarsweep::run_dir
