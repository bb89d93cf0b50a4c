#include "coordinator/http/routes.h"

namespace sarsweep::coordinator {

std::vector<Route> operation_routes(const RouteContext& context) {
  Coordinator& core = context.coordinator;
  const auto back_up = [&core](const Call&) { return Reply::of(core.back_up()); };
  const auto gc = [&core](const Call& call) {
    return Reply::of(core.collect_garbage(call.json().get<GarbageRequest>(), call.caller.name));
  };
  return {
      {"POST", "/api/v1/backups", Role::admin, Listener::control, {}, 1024, back_up},
      {"POST", "/api/v1/gc", Role::admin, Listener::control, {}, 1 << 20, gc},
  };
}

}  // namespace sarsweep::coordinator
