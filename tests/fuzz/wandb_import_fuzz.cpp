// Whatever the bytes, `import_wandb` returns, and the file it writes is YAML with a name in it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "coordinator/sweep/expand.h"
#include "coordinator/sweep/wandb_import.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sarsweep;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto imported = coordinator::import_wandb("fuzz.yaml", text);
  if (nlohmann::json(imported.diagnostics).dump().empty()) std::abort();
  if (imported.text.empty()) return 0;
  SweepSource source;
  source.text = imported.text;
  source.file = "imported.yaml";
  source.dir = source.cwd = "/";
  const auto sweep = coordinator::expand(source);
  const bool unreadable =
      std::any_of(sweep.diagnostics.begin(), sweep.diagnostics.end(), [](const Diagnostic& remark) {
        return remark.code == "bad_yaml" || remark.code == "duplicate_key";
      });
  if (unreadable || (sweep.name.empty() && !sweep.has_errors())) std::abort();
  return 0;
}
