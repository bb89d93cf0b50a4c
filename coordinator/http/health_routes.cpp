#include <unistd.h>

#include "coordinator/http/routes.h"
#include "schema/base/clock.h"

namespace sarsweep::coordinator {

std::vector<Route> health_routes(const RouteContext& context) {
  const auto fine = [](const Call&) { return Reply::of({{"ok", true}}); };
  const auto ready = [context](const Call&) {
    const std::vector<std::string> reasons = context.coordinator.why_not_ready();
    return Reply::of({{"ok", reasons.empty()}, {"reasons", reasons}}, reasons.empty() ? 200 : 503);
  };
  const auto info = [context](const Call&) {
    return Reply::of({{"version", SARSWEEP_VERSION},
                      {"data_url", *context.data_url},
                      {"now_ms", system_clock().unix_ms()},
                      {"home", context.coordinator.options().home.string()},
                      {"pid", ::getpid()}});
  };
  const auto metrics = [context](const Call&) {
    return Reply{200, context.coordinator.prometheus(), "text/plain; version=0.0.4", {}};
  };
  return {
      {"GET", "/healthz", Role::nobody, Listener::control, {}, 0, fine},
      {"GET", "/readyz", Role::nobody, Listener::control, {}, 0, ready},
      {"GET", "/api/v1/info", Role::viewer, Listener::control, {}, 0, info},
      {"GET", "/metrics", Role::viewer, Listener::control, {}, 0, metrics},
  };
}

}  // namespace sarsweep::coordinator
