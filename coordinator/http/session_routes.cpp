#include "coordinator/http/routes.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {

std::vector<Route> session_routes(const RouteContext& context) {
  Identity& identity = context.identity;
  const auto login = [&identity, secure = context.secure_host](const Call& call) {
    const nlohmann::json body = call.json();
    const bool alone = body.is_object() && body.size() == 1 && body.contains("code");
    if (!alone || !body["code"].is_string()) {
      throw Error(ErrorCode::invalid, "login needs a 'code', a text, and nothing else", "code");
    }
    const std::optional<Session> session = identity.redeem(body["code"]);
    if (!session) {
      throw Error(ErrorCode::unauthorized,
                  "this login address was used or is too old; a new one: "
                  "sarsweep up prints it, or POST /api/v1/login-codes");
    }
    Reply reply = Reply::of({{"role", to_string(Role::admin)}, {"csrf", session->csrf}});
    reply.headers["Set-Cookie"] = "sarsweep_session=" + session->cookie +
                                  "; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200";
    const bool over_tls = !secure.empty() && call.header("host") == secure;
    if (over_tls) reply.headers["Set-Cookie"] += "; Secure";
    return reply;
  };
  const auto session = [](const Call& call) {
    return Reply::of(
        {{"role", to_string(call.caller.role)}, {"csrf", call.caller.csrf.value_or("")}});
  };
  const auto new_code = [&identity](const Call&) {
    return Reply::of({{"code", identity.new_login_code()}});
  };
  return {
      {"POST", "/api/v1/login", Role::nobody, Listener::control, {}, 1024, login},
      {"GET", "/api/v1/session", Role::viewer, Listener::control, {}, 0, session},
      {"POST", "/api/v1/login-codes", Role::admin, Listener::control, {}, 1024, new_code},
  };
}

}  // namespace sarsweep::coordinator
