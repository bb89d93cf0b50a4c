#include <ostream>

#include "coordinator/cli/commands.h"

namespace sarsweep::cli {

Exit login(Session& session) {
  const auto& api = session.api();
  const nlohmann::json reply =
      client::value_or_throw(api.post("/api/v1/login-codes", nlohmann::json::object()));
  const std::string address = api.url() + "/#login=" + reply.at("code").get<std::string>();
  if (session.as_document()) {
    session.print_document({{"url", address}});
    return Exit::ok;
  }
  session.out() << address << '\n';
  session.err() << "works once, for a quarter of an hour\n";
  return Exit::ok;
}

}  // namespace sarsweep::cli
