#pragma once

#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "coordinator/cli/session.h"

namespace sarsweep::cli {

// What a person typed, understood: ready to run.
struct Command {
  Preferences preferences;
  std::function<Exit(Session&)> run;
};

// What a person typed, not to be run: help that was asked for (then `exit` is ok and the text
// belongs on standard output) or what is wrong, with a proposal where one is near.
struct Refusal {
  Exit exit = Exit::usage;
  std::string text;
};

// `arguments` without the program's name.
std::variant<Command, Refusal> parse_arguments(const std::vector<std::string>& arguments);

}  // namespace sarsweep::cli
