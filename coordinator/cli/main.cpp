#include <iostream>

#include "coordinator/cli/arguments.h"
#include "schema/base/log.h"
#include "schema/base/shutdown_signal.h"

namespace {

using namespace sarsweep;
using namespace sarsweep::cli;

int code(Exit exit) { return static_cast<int>(exit); }

int run(const Command& command) {
  const ShutdownSignal shutdown;
  Session session(command.preferences, std::cout, std::cerr, shutdown.token());
  try {
    return code(command.run(session));
  } catch (const Error& error) {
    std::cerr << "sarsweep: error: " << printable(error.what(), 4000) << '\n';
    if (error.code() == ErrorCode::unreachable) std::cerr << "start one with: sarsweep up\n";
    if (error.code() == ErrorCode::unauthorized) {
      std::cerr << "the token is read from " << (command.preferences.home / "token").string()
                << "; name the right folder with --home\n";
    }
    return code(exit_for(error.code()));
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const auto parsed = parse_arguments({argv + 1, argv + argc});
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) {
    (refusal->exit == Exit::ok ? std::cout : std::cerr) << refusal->text;
    return code(refusal->exit);
  }
  return run(std::get<Command>(parsed));
} catch (const std::exception& error) {
  std::cerr << "sarsweep: internal error: " << error.what() << '\n';
  return code(Exit::failed);
}
