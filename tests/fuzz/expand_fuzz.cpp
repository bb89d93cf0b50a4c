// Whatever the bytes, `expand` returns, and what it says can be written as JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "coordinator/sweep/expand.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sarsweep::SweepSource source;
  source.text.assign(reinterpret_cast<const char*>(data), size);
  source.file = "fuzz.yaml";
  source.dir = source.cwd = "/";
  const auto sweep = sarsweep::coordinator::expand(source);
  if (sweep.has_errors() && !sweep.runs.empty()) std::abort();
  if (nlohmann::json(sweep.diagnostics).dump().empty()) std::abort();
  return 0;
}
