#include "coordinator/http/routes.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::int64_t kStreamCap = 8 << 20;
constexpr std::int64_t kUploadCap = std::int64_t{8} << 30;

LeaseKey key_of(const Call& call) {
  return {call.param("run_id"), call.number("lease_epoch", 0), call.header("x-sarsweep-grant")};
}

Reply appended(const DataOutcome& outcome) {
  if (outcome.accepted) return Reply::of({{"stored", outcome.stored}});
  return Reply::of({{"error", {{"code", "conflict"}, {"message", "not the offset that follows"}}},
                    {"stored", outcome.stored}},
                   409);
}

Reply missing(Coordinator& core, const Call& call) {
  static constexpr const char* kNeeds = "missing needs run_id, lease_epoch and sha256: [text]";
  const nlohmann::json body = call.json();
  const auto epoch = body.is_object() && body.size() == 3 && body.contains("lease_epoch")
                         ? whole_number(body["lease_epoch"])
                         : std::nullopt;
  if (!epoch) throw Error(ErrorCode::invalid, kNeeds);
  try {
    const LeaseKey key = {body.at("run_id"), *epoch, call.header("x-sarsweep-grant")};
    return Reply::of({{"missing", core.missing_artifacts(key, body.at("sha256"))}});
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::invalid, kNeeds);
  }
}

Reply upload(Coordinator& core, const Call& call) {
  try {
    core.commit_artifact(key_of(call), call.path.at("sha256"), call.upload);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(call.upload, ignored);
    throw;
  }
  return Reply::of({{"stored", true}});
}

}  // namespace

std::vector<Route> data_routes(const RouteContext& context) {
  Coordinator& core = context.coordinator;
  using enum Listener;
  const std::vector<std::string> at = {"run_id", "lease_epoch", "offset"};
  const auto events = [&core](const Call& call) {
    return appended(core.append_events(key_of(call), call.number("offset", 0), call.body));
  };
  const auto log = [&core](const Call& call) {
    return appended(core.append_log(key_of(call), call.number("offset", 0), call.body));
  };
  const auto ask = [&core](const Call& call) { return missing(core, call); };
  const auto put = [&core](const Call& call) { return upload(core, call); };
  const auto admit = [&core](const Call& call) { core.admit_artifact(key_of(call)); };
  return {
      {"POST", "/api/v1/data/events", Role::worker, data, at, kStreamCap, events},
      {"POST", "/api/v1/data/log", Role::worker, data, at, kStreamCap, log},
      {"POST", "/api/v1/data/missing", Role::worker, data, {}, 1 << 20, ask},
      {"PUT",
       "/api/v1/data/artifacts/{sha256}",
       Role::worker,
       data,
       {"run_id", "lease_epoch"},
       kUploadCap,
       put,
       admit},
  };
}

}  // namespace sarsweep::coordinator
