#include "coordinator/http/routes.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::int64_t kCap = 1 << 20, kSmallCap = 4096;

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

Reply drain(Coordinator& core, const Call& call) {
  DrainRequest request;
  if (!call.body.empty()) request = call.json().get<DrainRequest>();
  return Reply::of(core.set_drain(call.path.at("id"), request.now ? Drain::now : Drain::finish,
                                  call.caller.name));
}

Reply undrain(Coordinator& core, const Call& call) {
  if (!call.body.empty() && call.json() != nlohmann::json::object()) {
    throw Error(ErrorCode::invalid, "undrain takes {} or no body");
  }
  return Reply::of(core.set_drain(call.path.at("id"), Drain::none, call.caller.name));
}

}  // namespace

std::vector<Route> worker_routes(const RouteContext& context) {
  Coordinator& core = context.coordinator;
  const auto route = [](const char* path, std::function<Reply(const Call&)> handle) {
    return Route{"POST", path, Role::worker, Listener::control, {}, kCap, std::move(handle)};
  };
  const auto by_admin = [](const char* path, std::function<Reply(const Call&)> handle) {
    return Route{"POST", path, Role::admin, Listener::control, {}, kSmallCap, std::move(handle)};
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
      by_admin("/api/v1/workers/{id}/drain",
               [&core](const Call& call) { return drain(core, call); }),
      by_admin("/api/v1/workers/{id}/undrain",
               [&core](const Call& call) { return undrain(core, call); }),
  };
}

}  // namespace sarsweep::coordinator
