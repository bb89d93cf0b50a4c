#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "coordinator/cli/session.h"

// What a shell may offer next. The shells ask the program itself, so that they never disagree.
namespace sarsweep::cli {

struct Completion {
  enum class Names { none, runs, sweeps, fields, workers };

  std::string prefix;              // what the words must begin with
  std::vector<std::string> words;  // commands, options, choices
  Names names = Names::none;       // and what the coordinator has of these
};

// The legal values of an option or argument, by its name ("--output", "shell"); empty: any.
std::vector<std::string> choices_of(const std::string& name);

// `typed`: the words behind the program's name up to the cursor, the last one unfinished.
Completion complete(const CLI::App& app, const std::vector<std::string>& typed);

// Prints them, one a line; nothing where the coordinator is away.
Exit print_completion(Session& session, Completion completion);

// The script that connects a shell ("bash", "zsh" or "fish") with `sarsweep complete`.
std::string completion_script(const std::string& shell);

}  // namespace sarsweep::cli
