#include "coordinator/cli/completion.h"

#include <algorithm>
#include <map>
#include <ostream>

#include "schema/protocol/run_state.h"

namespace sarsweep::cli {
namespace {

using Names = Completion::Names;

constexpr const char* kBash = R"bash(# sarsweep completion bash >> ~/.bashrc
_sarsweep() {
  local line=${COMP_LINE:0:COMP_POINT} current dropped
  local -a words found
  current=${line##* }
  read -ra words <<<"${line%"$current"}"
  mapfile -t found < <("${words[0]}" complete -- "${words[@]:1}" "$current" 2>/dev/null)
  dropped=${current%"${COMP_WORDS[COMP_CWORD]}"}
  COMPREPLY=("${found[@]#"$dropped"}")
}
complete -o bashdefault -o default -F _sarsweep sarsweep
)bash";

constexpr const char* kZsh = R"zsh(# sarsweep completion zsh >> ~/.zshrc
_sarsweep() {
  local -a found
  found=(${(f)"$(${words[1]} complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( ${#found} )); then compadd -a found; else _files; fi
}
compdef _sarsweep sarsweep
)zsh";

constexpr const char* kFish =
    R"fish(# sarsweep completion fish > ~/.config/fish/completions/sarsweep.fish
function __sarsweep
  set -l words (commandline -opc)
  set -l found ($words[1] complete -- $words[2..] (commandline -ct) 2>/dev/null)
  if set -q found[1]
    string join \n -- $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c sarsweep -f -a '(__sarsweep)'
)fish";

// By the name of an option or of a positional argument.
const std::map<std::string, Names>& kinds() {
  static const std::map<std::string, Names> all = {
      {"run", Names::runs},       {"runs", Names::runs},      {"selector", Names::runs},
      {"sweep", Names::sweeps},   {"--sweep", Names::sweeps}, {"field", Names::fields},
      {"workers", Names::workers}};
  return all;
}

bool takes_value(const CLI::Option& option) { return option.get_type_size() != 0; }

const CLI::Option* find_option(const CLI::App* app, const std::string& word) {
  for (; app != nullptr; app = app->get_parent()) {
    if (const CLI::Option* option = app->get_option_no_throw(word)) return option;
  }
  return nullptr;
}

const CLI::App* find_command(const CLI::App& app, const std::string& word) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->check_name(word)) return command;
  }
  return nullptr;
}

void offer_commands(const CLI::App& app, Completion& completion) {
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_group().empty()) completion.words.push_back(command->get_name());
  }
}

void offer_options(const CLI::App* app, Completion& completion) {
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options()) {
      if (option->nonpositional()) completion.words.push_back(option->get_name());
    }
  }
}

void offer_value(const std::string& name, Completion& completion) {
  completion.words = choices_of(name);
  const auto kind = kinds().find(name);
  if (kind != kinds().end()) completion.names = kind->second;
}

void offer_positional(const CLI::App& app, Completion& completion) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) return offer_value(option->get_name(true), completion);
  }
}

void keep_matching(Completion& completion) {
  auto& words = completion.words;
  words.erase(std::remove_if(
                  words.begin(), words.end(),
                  [&](const std::string& word) { return word.rfind(completion.prefix, 0) != 0; }),
              words.end());
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
}

void add_sweeps(Session& session, std::vector<std::string>& names, const std::string& mark) {
  for (const nlohmann::json& sweep : get_document(session, "/api/v1/sweeps")) {
    names.push_back(mark + sweep.at("sweep").get<std::string>());
  }
}

std::vector<std::string> names_of_runs(Session& session, const std::string& prefix) {
  std::vector<std::string> names;
  if (prefix.empty() || prefix.front() == '@') add_sweeps(session, names, "@");
  if (prefix.rfind('@', 0) == 0) return names;
  for (const nlohmann::json& run : get_document(session, "/api/v1/names", {{"prefix", prefix}})) {
    const std::string name = run.at("name"), sweep = run.at("sweep");
    names.push_back(name);
    if (!prefix.empty()) names.push_back(sweep + "/" + name);
  }
  return names;
}

std::vector<std::string> names_in(Session& session, const Completion& completion) {
  std::vector<std::string> names;
  if (completion.names == Names::runs) return names_of_runs(session, completion.prefix);
  if (completion.names == Names::sweeps) {
    add_sweeps(session, names, "");
    return names;
  }
  const bool workers = completion.names == Names::workers;
  for (const nlohmann::json& item :
       get_document(session, workers ? "/api/v1/workers" : "/api/v1/fields")) {
    names.push_back(item.at("name"));
  }
  return names;
}

}  // namespace

std::vector<std::string> choices_of(const std::string& name) {
  if (name == "shell") return {"bash", "zsh", "fish"};
  std::vector<std::string> formats, states;
  for (const auto& [format, value] : kFormats) formats.emplace_back(format);
  if (name == "--output") return formats;
  if (name != "--state") return states;
  for (const RunState state : kRunStates) states.emplace_back(to_string(state));
  return states;
}

Completion complete(const CLI::App& app, const std::vector<std::string>& typed) {
  Completion completion;
  const CLI::App* command = &app;
  const CLI::Option* open = nullptr;  // waits for its value
  for (std::size_t i = 0; i + 1 < typed.size(); ++i) {
    const std::string& word = typed[i];
    if (open != nullptr) {
      open = nullptr;
    } else if (word.rfind('-', 0) == 0) {
      const CLI::Option* option = find_option(command, word);
      if (option != nullptr && takes_value(*option)) open = option;
    } else if (const CLI::App* found = find_command(*command, word)) {
      command = found;
    }
  }
  if (!typed.empty()) completion.prefix = typed.back();
  if (open != nullptr) {
    offer_value(open->get_name(), completion);
  } else if (completion.prefix.rfind('-', 0) == 0) {
    offer_options(command, completion);
  } else if (!command->get_subcommands({}).empty()) {
    offer_commands(*command, completion);
  } else {
    offer_positional(*command, completion);
  }
  keep_matching(completion);
  return completion;
}

std::string completion_script(const std::string& shell) {
  if (shell == "bash") return kBash;
  return shell == "zsh" ? kZsh : kFish;
}

// A shell must never see an error here: without a coordinator there are no names to offer.
Exit print_completion(Session& session, Completion completion) {
  if (completion.names != Names::none) {
    try {
      for (std::string& name : names_in(session, completion)) {
        completion.words.push_back(std::move(name));
      }
    } catch (const Error&) {
      completion.words.clear();
    }
    keep_matching(completion);
  }
  for (const std::string& word : completion.words) session.out() << word << '\n';
  return Exit::ok;
}

}  // namespace sarsweep::cli
