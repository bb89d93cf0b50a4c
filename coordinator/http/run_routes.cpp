#include "coordinator/http/routes.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

Reply list(Coordinator& core, const Call& call) {
  RunFilter filter;
  filter.sweep = call.param("sweep");
  filter.study = call.param("study");
  filter.state = call.param("state");
  filter.selector = call.param("selector");
  filter.where = call.param("where");
  filter.limit = call.number("limit", filter.limit);
  filter.after = call.param("after");
  return Reply::of(core.runs(filter));
}

Reply metrics(Coordinator& core, const Call& call) {
  std::vector<std::string> keys;
  const auto [first, last] = call.query.equal_range("key");
  for (auto it = first; it != last; ++it) keys.push_back(it->second);
  return Reply::of(core.metrics(call.path.at("id"), keys, call.flag("all_attempts"),
                                call.number("max_points", 2000)));
}

Reply log(Coordinator& core, const Call& call) {
  std::optional<std::int64_t> attempt;
  if (call.query.contains("attempt")) attempt = call.number("attempt", 0);
  return Reply::of(core.log(call.path.at("id"), call.number("offset", 0),
                            call.number("limit", 64 * 1024), attempt));
}

Reply apply(Coordinator& core, const Call& call) {
  const std::string name = call.path.at("verb");
  const std::optional<Verb> verb = parse_verb(name);
  if (!verb) {
    throw Error(ErrorCode::not_found,
                "no verb '" + name + "'; known: pause, cancel, kill, resume, retry");
  }
  bool from_scratch = false;
  if (!call.body.empty()) {
    const nlohmann::json body = call.json();
    if (!body.is_object()) throw Error(ErrorCode::invalid, "a verb takes an object, or no body");
    for (const auto& [key, value] : body.items()) {
      if (key != "from_scratch" || !value.is_boolean()) {
        throw Error(ErrorCode::invalid, "unknown key '" + key + "'", key);
      }
      from_scratch = value;
    }
  }
  return Reply::of(core.apply_verb(call.path.at("id"), *verb, from_scratch, call.caller.name));
}

Reply extend(Coordinator& core, const Call& call) {
  const auto request = call.json().get<ExtendRequest>();
  return Reply::of(core.extend(call.path.at("id"), request.steps, call.caller.name));
}

Reply fork(Coordinator& core, const Call& call) {
  const auto request = call.json().get<ForkRequest>();
  nlohmann::json problems;
  try {
    return Reply::of(core.fork(call.path.at("id"), request, call.caller.name, &problems));
  } catch (const Error& error) {
    if (problems.is_null()) throw;
    return Reply::refused(error, std::move(problems));
  }
}

}  // namespace

std::vector<Route> run_routes(const RouteContext& context) {
  Coordinator& core = context.coordinator;
  using enum Listener;
  const auto with = [&core](Reply (*function)(Coordinator&, const Call&)) {
    return [&core, function](const Call& call) { return function(core, call); };
  };
  const auto one = [&core](const Call& call) { return Reply::of(core.run(call.path.at("id"))); };
  const auto samples = [&core](const Call& call) {
    return Reply::of(core.samples(call.path.at("id")));
  };
  const auto events = [&core](const Call& call) {
    return Reply::of(core.events(call.path.at("id"), call.number("after", 0)));
  };
  const auto evaluation = [&core](const Call& call) {
    return Reply::of(core.evaluation(call.path.at("id")));
  };
  const auto why = [&core](const Call& call) { return Reply::of(core.why(call.path.at("id"))); };
  const auto queue = [&core](const Call& call) {
    return Reply::of(core.queue(call.number("limit", kWholeQueue)));
  };
  const auto names = [&core](const Call& call) {
    return Reply::of(core.names(call.param("prefix")));
  };
  const auto workers = [&core](const Call&) { return Reply::of(core.workers()); };
  return {
      {"GET",
       "/api/v1/runs",
       Role::viewer,
       control,
       {"sweep", "study", "state", "selector", "where", "limit", "after"},
       0,
       with(list)},
      {"GET", "/api/v1/runs/{id}", Role::viewer, control, {}, 0, one},
      {"GET",
       "/api/v1/runs/{id}/metrics",
       Role::viewer,
       control,
       {"key", "all_attempts", "max_points"},
       0,
       with(metrics)},
      {"GET",
       "/api/v1/runs/{id}/log",
       Role::viewer,
       control,
       {"offset", "limit", "attempt"},
       0,
       with(log)},
      {"GET", "/api/v1/runs/{id}/samples", Role::viewer, control, {}, 0, samples},
      {"GET", "/api/v1/runs/{id}/events", Role::viewer, control, {"after"}, 0, events},
      {"GET", "/api/v1/runs/{id}/eval", Role::viewer, control, {}, 0, evaluation},
      {"GET", "/api/v1/runs/{id}/why", Role::viewer, control, {}, 0, why},
      {"POST", "/api/v1/runs/{id}/extend", Role::submitter, control, {}, 4096, with(extend)},
      {"POST", "/api/v1/runs/{id}/fork", Role::submitter, control, {}, 64 * 1024, with(fork)},
      {"POST", "/api/v1/runs/{id}/{verb}", Role::submitter, control, {}, 4096, with(apply)},
      {"GET", "/api/v1/names", Role::viewer, control, {"prefix"}, 0, names},
      {"GET", "/api/v1/queue", Role::viewer, control, {"limit"}, 0, queue},
      {"GET", "/api/v1/workers", Role::viewer, control, {}, 0, workers},
  };
}

}  // namespace sarsweep::coordinator
