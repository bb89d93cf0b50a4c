#include "coordinator/http/routes.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

Reply apply(Coordinator& core, const Call& call) {
  const std::string name = call.path.at("verb");
  const std::optional<PoolVerb> verb = parse_pool_verb(name);
  if (!verb) {
    throw Error(ErrorCode::not_found, "no verb '" + name + "'; known: pause, resume, remove");
  }
  if (!call.body.empty() && call.json() != nlohmann::json::object()) {
    throw Error(ErrorCode::invalid, "a verb of a pool takes {} or no body");
  }
  return Reply::of(core.apply_pool_verb(call.path.at("name"), *verb, call.caller.name));
}

}  // namespace

std::vector<Route> slurm_routes(const RouteContext& context) {
  Coordinator& core = context.coordinator;
  const auto list = [&core](const Call&) { return Reply::of(core.slurm_pools()); };
  const auto add = [&core](const Call& call) {
    return Reply::of(core.add_slurm_pool(call.json().get<SlurmPoolRequest>(), call.caller.name));
  };
  const auto change = [&core](const Call& call) { return apply(core, call); };
  return {
      {"GET", "/api/v1/slurm/pools", Role::viewer, Listener::control, {}, 0, list},
      {"POST", "/api/v1/slurm/pools", Role::admin, Listener::control, {}, 1 << 20, add},
      {"POST",
       "/api/v1/slurm/pools/{name}/{verb}",
       Role::admin,
       Listener::control,
       {},
       4096,
       change},
  };
}

}  // namespace sarsweep::coordinator
