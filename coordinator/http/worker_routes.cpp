#include "coordinator/http/routes.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::int64_t kCap = 1 << 20;

Reply finish(Coordinator& core, const Call& call) {
  const FinishOutcome outcome = core.finish(call.json().get<FinishRequest>());
  if (outcome.reply) return Reply::of(nlohmann::json(*outcome.reply));
  return Reply::of({{"error", {{"code", "conflict"}, {"message", "not everything is stored yet"}}},
                    {"missing", outcome.missing}},
                   409);
}

Reply leave(Coordinator& core, const Call& call) {
  const nlohmann::json body = call.json();
  const auto text = [&body](const char* key) {
    if (!body.is_object() || body.size() != 2 || !body.contains(key) || !body[key].is_string()) {
      throw Error(ErrorCode::invalid, "leave needs worker_id and incarnation, two texts", key);
    }
    return body[key].get<std::string>();
  };
  core.leave(text("worker_id"), text("incarnation"));
  return Reply::of(nlohmann::json::object());
}

}  // namespace

std::vector<Route> worker_routes(const RouteContext& context) {
  Coordinator& core = context.coordinator;
  const auto route = [](const char* path, std::function<Reply(const Call&)> handle) {
    return Route{"POST", path, Role::worker, Listener::control, {}, kCap, std::move(handle)};
  };
  return {
      route("/api/v1/workers/register",
            [&core, context](const Call& call) {
              RegisterReply reply = core.register_worker(call.json().get<RegisterRequest>());
              reply.data_url = *context.data_url;
              return Reply::of(reply);
            }),
      route("/api/v1/workers/lease",
            [&core](const Call& call) {
              return Reply::of(core.lease(call.json().get<LeaseRequest>()));
            }),
      route("/api/v1/workers/heartbeat",
            [&core](const Call& call) {
              return Reply::of(core.heartbeat(call.json().get<HeartbeatRequest>()));
            }),
      route("/api/v1/workers/started",
            [&core](const Call& call) {
              core.started(call.json().get<LeaseKey>());
              return Reply::of(nlohmann::json::object());
            }),
      route("/api/v1/workers/finish", [&core](const Call& call) { return finish(core, call); }),
      route("/api/v1/workers/leave", [&core](const Call& call) { return leave(core, call); }),
  };
}

}  // namespace sarsweep::coordinator
