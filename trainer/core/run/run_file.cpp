#include "trainer/core/run/run_file.h"

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

template <typename T>
void read(const json& document, const char* key, T& target) {
  const auto found = document.find(key);
  if (found == document.end() || found->is_null()) return;
  try {
    target = found->get<T>();
  } catch (const json::exception&) {
    throw Error(ErrorCode::invalid,
                std::string("run.json: ") + key + " has the wrong type (got " + found->dump() + ")",
                key);
  }
}

void require_at_least_0(const char* key, int value) {
  if (value >= 0) return;
  throw Error(
      ErrorCode::invalid,
      std::string("run.json: ") + key + " must be at least 0 (got " + std::to_string(value) + ")",
      key);
}

}  // namespace

RunFile read_run_file(const std::filesystem::path& run_dir) {
  const std::filesystem::path path = run_dir / run_dir::kRunJson;
  const json document = parse_json(read_file(path), path.string());
  if (!document.is_object())
    throw Error(ErrorCode::invalid, path.string() + " is not a JSON object");
  RunFile file;
  std::string cache;
  read(document, "run_id", file.run_id);
  read(document, "name", file.name);
  read(document, "seed", file.seed);
  read(document, "device", file.device);
  read(document, "devices", file.devices);
  read(document, "threads", file.threads);
  read(document, "micro_halvings", file.micro_halvings);
  read(document, "cache_dir", cache);
  file.cache_dir = cache.empty() ? run_dir / "cache" : std::filesystem::path(cache);
  file.protocol = document.value("protocol", json());
  file.config = document.value("config", json::object());
  file.resume = document.value("resume", json("auto"));
  if (!file.config.is_object() || (!file.protocol.is_null() && !file.protocol.is_object())) {
    throw Error(ErrorCode::invalid, path.string() + ": config and protocol must be objects");
  }
  require_at_least_0("threads", file.threads);
  require_at_least_0("micro_halvings", file.micro_halvings);
  return file;
}

}  // namespace sarsweep::trainer
