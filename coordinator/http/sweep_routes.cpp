#include "coordinator/http/routes.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::int64_t kSourceCap = 8 << 20;  // 1 MiB of text, escaped

Reply submit(Coordinator& coordinator, const std::string& url, const Call& call) {
  const auto source = call.json().get<SweepSource>();
  nlohmann::json problems;
  try {
    nlohmann::json document =
        coordinator.submit(source, call.header("idempotency-key"), call.caller.name, &problems);
    document["url"] = url + "/#/sweep/" + document.value("sweep", "");
    return Reply::of(document);
  } catch (const Error& error) {
    if (problems.is_null()) throw;
    return Reply::refused(error, std::move(problems));
  }
}

}  // namespace

std::vector<Route> sweep_routes(const RouteContext& context) {
  Coordinator& core = context.coordinator;
  const auto plan = [&core](const Call& call) {
    return Reply::of(core.plan(call.json().get<SweepSource>()));
  };
  const auto wandb = [&core](const Call& call) {
    return Reply::of(core.import_wandb(call.json().get<SweepSource>()));
  };
  const auto post = [&core, context](const Call& call) { return submit(core, *context.url, call); };
  const auto list = [&core](const Call&) { return Reply::of(core.sweeps()); };
  const auto one = [&core](const Call& call) {
    return Reply::of(core.sweep(call.path.at("name")));
  };
  const auto board = [&core](const Call& call) {
    return Reply::of(core.leaderboard(call.param("sweep"), call.param("baseline")));
  };
  const auto diff = [&core](const Call& call) {
    return Reply::of(core.diff(call.param("a"), call.param("b")));
  };
  return {
      {"POST", "/api/v1/plan", Role::viewer, Listener::control, {}, kSourceCap, plan},
      {"POST", "/api/v1/imports/wandb", Role::viewer, Listener::control, {}, kSourceCap, wandb},
      {"POST", "/api/v1/sweeps", Role::submitter, Listener::control, {}, kSourceCap, post},
      {"GET", "/api/v1/sweeps", Role::viewer, Listener::control, {}, 0, list},
      {"GET", "/api/v1/sweeps/{name}", Role::viewer, Listener::control, {}, 0, one},
      {"GET",
       "/api/v1/leaderboard",
       Role::viewer,
       Listener::control,
       {"sweep", "baseline"},
       0,
       board},
      {"GET", "/api/v1/diff", Role::viewer, Listener::control, {"a", "b"}, 0, diff},
  };
}

}  // namespace sarsweep::coordinator
