#include "coordinator/cli/arguments.h"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/completion.h"
#include "schema/config/fields.h"

namespace sarsweep::cli {
namespace {

using Run = std::function<Exit(Session&)>;

// Everything the parser writes into; outlives it in the command that was chosen.
struct Typed {
  Preferences preferences;
  SubmitOptions submit;
  LeaderboardOptions leaderboard;
  DiffOptions diff;
  LsOptions ls;
  MetricsOptions metrics;
  LogsOptions logs;
  WaitOptions wait;
  VerbOptions verb;
  RestoreOptions restore;
  GcOptions gc;
  ForkOptions fork;
  ExtendOptions extend;
  SlurmAddOptions slurm;
  WorkerOptions workers;
  std::string pool;
  std::string backup;
  UpOptions up;
  std::string run;
  std::string field;
  Selection watched;
  std::vector<std::string> forwarded;  // what follows `serve`, `worker` or `complete`
  std::string shell;
  Run chosen;
};

constexpr const char* kRunHelp = "A run: name, sweep/name, a unique prefix or an id";
constexpr const char* kRunsHelp =
    "Runs: names, sweep/name, unique prefixes, @sweep, @sweep/study, ids";

constexpr const char* kWhereHelp =
    "Only with a config like this: 'unet.rank >= 64 and unet.mode == lora'";

void add_any_selection(CLI::App& added, Selection& selection) {
  added.add_option("runs", selection.selectors, kRunsHelp);
  added.add_option("--where", selection.where, kWhereHelp);
}

// Runs by name, or all of those that a condition fits.
void add_selection(CLI::App& added, Selection& selection) {
  add_any_selection(added, selection);
  added.parse_complete_callback([&selection] {
    if (selection.selectors.empty() && selection.where.empty() && selection.state.empty()) {
      throw CLI::RequiredError("runs or --where");
    }
  });
}

CLI::App* command(CLI::App& app, Typed& typed, const std::string& name, const std::string& help,
                  Run run) {
  CLI::App* added = app.add_subcommand(name, help);
  added->fallthrough();
  added->callback([&typed, run = std::move(run)] { typed.chosen = run; });
  return added;
}

void add_global(CLI::App& app, Typed& typed) {
  app.set_version_flag("--version", "sarsweep " SARSWEEP_VERSION);
  app.add_option("--url", typed.preferences.url,
                 "Address of the coordinator (default: that of the home folder, else "
                 "http://127.0.0.1:8765)")
      ->envname("SARSWEEP_URL");
  app.add_option_function<std::string>(
         "--ca", [&typed](const std::string& v) { typed.preferences.ca = v; },
         "PEM file with the authority of an https:// address (default: the system's)")
      ->envname("SARSWEEP_CA");
  app.add_option_function<std::string>(
         "--home", [&typed](const std::string& v) { typed.preferences.home = v; },
         "Folder with the token and, for up, all data")
      ->envname("SARSWEEP_HOME");
  app.add_option_function<std::string>(
         "-o,--output",
         [&typed](const std::string& name) {
           for (const auto& [known, format] : kFormats) {
             if (name == known) typed.preferences.format = format;
           }
         },
         "table, json, jsonl (a line an element) or csv; the last three with every digit; of "
         "leaderboard and diff also markdown and latex")
      ->check(CLI::IsMember(choices_of("--output")));
  app.add_flag("-y,--yes", typed.preferences.yes, "Answer every question with yes");
}

bool is_given(const std::vector<std::string>& words, const std::string& option) {
  return std::any_of(words.begin(), words.end(), [&option](const std::string& word) {
    return word == option || word.rfind(option + "=", 0) == 0;
  });
}

// The first word that is neither an option nor an option's value.
std::vector<std::string>::const_iterator first_word(const std::vector<std::string>& arguments) {
  static const std::vector<std::string> kWithValue = {"--url", "--ca", "--home", "-o", "--output"};
  for (auto at = arguments.begin(); at != arguments.end(); ++at) {
    if (std::find(kWithValue.begin(), kWithValue.end(), *at) != kWithValue.end()) {
      if (++at == arguments.end()) break;
    } else if (at->rfind('-', 0) != 0) {
      return at;
    }
  }
  return arguments.end();
}

void add_programs(CLI::App& app, Typed& typed) {
  CLI::App* up_command =
      command(app, typed, "up", "Run a coordinator and a worker on this machine until Ctrl-C",
              [&typed](Session& session) { return up(session, typed.up); });
  up_command->add_option("--port", typed.up.port, "Port of the dashboard; 0: any")
      ->check(CLI::Range(0, 65535));
  up_command
      ->add_option("--workers", typed.up.workers, "CPU slots; 0: no worker (default: GPUs, else 1)")
      ->check(CLI::Range(0, 1024));
  up_command->add_option_function<std::string>(
      "--store", [&typed](const std::string& v) { typed.up.store = v; },
      "Folder for checkpoints and results");
  up_command->add_option_function<std::string>(
      "--ready-file", [&typed](const std::string& v) { typed.up.ready_file = v; },
      "Written once everything serves");
  up_command->add_flag("--no-auth", typed.up.no_auth,
                       "Let everybody on this machine do everything");

  command(app, typed, "serve",
          "Become the coordinator alone; what follows is for sarsweep-coordinator",
          [&typed](Session& session) -> Exit {
            std::vector<std::string> rest = typed.forwarded;
            if (!is_given(rest, "--home")) {
              rest.insert(rest.begin(), {"--home", session.preferences().home.string()});
            }
            become("sarsweep-coordinator", rest);
          });
}

Exit become_worker(Session& session, std::vector<std::string> rest) {
  if (!is_given(rest, "--url")) rest.insert(rest.begin(), {"--url", session.api().url()});
  if (!is_given(rest, "--home")) {
    rest.insert(rest.begin(), {"--home", session.preferences().home.string()});
  }
  const std::string ca = session.preferences().ca.string();
  if (!ca.empty() && !is_given(rest, "--ca")) rest.insert(rest.begin(), {"--ca", ca});
  become("sarsweep-worker", rest);
}

void add_workers(CLI::App& app, Typed& typed) {
  CLI::App* worker = app.add_subcommand(
      "worker",
      "Become a worker alone (what follows is for sarsweep-worker); ls, drain, undrain: look after "
      "workers");
  worker->fallthrough();
  worker->callback([&typed, worker] {
    if (!worker->get_subcommands().empty()) return;
    typed.chosen = [&typed](Session& session) { return become_worker(session, typed.forwarded); };
  });
  command(*worker, typed, "ls", "The workers, what they do and who wants them to rest",
          [](Session& session) { return worker_ls(session); });
  const auto change = [&](const char* name, const char* help) {
    CLI::App* added = command(*worker, typed, name, help, [&typed, name](Session& session) {
      return worker_change(session, typed.workers, name);
    });
    added->add_option("workers", typed.workers.names, "Workers, as worker ls names them");
    added->add_flag("--all", typed.workers.all, "All of them");
    added->parse_complete_callback([&typed] {
      if (typed.workers.names.empty() != typed.workers.all) {
        throw CLI::RequiredError("workers, or --all,");
      }
    });
    return added;
  };
  change("drain",
         "Take no new runs, whatever is started again, and let those they have end; undo: worker "
         "undrain")
      ->add_flag("--now", typed.workers.now, "Let those save now and go on elsewhere");
  change("undrain", "Take runs again; undo: worker drain");
}

void add_sweeps(CLI::App& app, Typed& typed) {
  const auto with_file = [&typed](CLI::App* added) {
    added->add_option("file", typed.submit.file, "A sweep file")->required();
    added
        ->add_option("--set", typed.submit.set,
                     "field=value, over everything in the file; repeatable")
        ->take_all();
    added->add_flag("--rerun", typed.submit.rerun, "Train again what finished before");
    added->add_flag("--prune", typed.submit.prune, "Also withdraw started runs that left the file");
  };
  with_file(command(app, typed, "plan",
                    "Show what submit would do; exit 0: nothing, 3: something, 2: errors",
                    [&typed](Session& session) { return plan(session, typed.submit); }));
  CLI::App* submitting =
      command(app, typed, "submit", "Submit a sweep file; again: only what changed",
              [&typed](Session& session) { return submit(session, typed.submit); });
  submitting->alias("apply");
  with_file(submitting);
  CLI::App* importing =
      app.add_subcommand("import", "Print another program's sweep as a sweep file");
  importing->require_subcommand(1);
  importing->fallthrough();
  command(*importing, typed, "wandb",
          "A W&B sweep configuration: sarsweep import wandb FILE > MINE",
          [&typed](Session& session) { return import_wandb(session, typed.submit.file); })
      ->add_option("file", typed.submit.file, "The W&B sweep's YAML")
      ->required();
  CLI::App* board = command(
      app, typed, "leaderboard", "The cells of a sweep, best first; -o markdown, latex for papers",
      [&typed](Session& session) { return leaderboard(session, typed.leaderboard); });
  board->add_option("sweep", typed.leaderboard.sweep, "A sweep: radar or @radar")->required();
  board->add_option("--baseline", typed.leaderboard.baseline,
                    "The cell that all are compared with (default: each study's own)");
  CLI::App* comparing =
      command(app, typed, "diff", "Two cells or runs: fields, metrics, the second less the first",
              [&typed](Session& session) { return diff(session, typed.diff); });
  comparing->add_option("a", typed.diff.a, "A cell, or a run")->required();
  comparing->add_option("b", typed.diff.b, "Another")->required();
  command(app, typed, "login", "Print a fresh one-time address of the dashboard",
          [](Session& session) { return login(session); });
  command(app, typed, "explain", "What a field of a sweep file means", [&typed](Session& session) {
    return explain(session, typed.field);
  })->add_option("field", typed.field, "A field or a group, such as unet.rank; without it: all");
}

void add_reading(CLI::App& app, Typed& typed) {
  CLI::App* list =
      command(app, typed, "ls", "List runs", [&typed](Session& s) { return ls(s, typed.ls); });
  list->add_option("selector", typed.ls.selector, kRunsHelp);
  list->add_option("--sweep", typed.ls.sweep, "Only of this sweep");
  list->add_option("--study", typed.ls.study, "Only of this study");
  list->add_option("--state", typed.ls.state, "Only in this state");
  list->add_option("--where", typed.ls.where, kWhereHelp);
  command(app, typed, "show", "Everything about one run",
          [&typed](Session& s) { return show(s, typed.run); })
      ->add_option("run", typed.run, kRunHelp)
      ->required();
  command(app, typed, "why", "Why a run is not training, the most decisive reason first",
          [&typed](Session& s) { return why(s, typed.run); })
      ->add_option("run", typed.run, kRunHelp)
      ->required();
  CLI::App* log = command(app, typed, "logs", "A run's log",
                          [&typed](Session& s) { return logs(s, typed.logs); });
  log->add_option("run", typed.logs.selector, kRunHelp)->required();
  log->add_flag("-f,--follow", typed.logs.follow, "Go on until the run ends, across attempts");
  log->add_option("--attempt", typed.logs.attempt, "This attempt's (default: the newest)");
  CLI::App* series = command(app, typed, "metrics", "A run's metric series",
                             [&typed](Session& s) { return metrics(s, typed.metrics); });
  series->add_option("run", typed.metrics.selector, kRunHelp)->required();
  series->add_option("--key", typed.metrics.keys, "Only this series; repeatable");
  series->add_flag("--all-attempts", typed.metrics.all_attempts,
                   "Also the points a later attempt replaced");
  CLI::App* waiting =
      command(app, typed, "wait", "Wait for runs; exit 0: all done, 1: not all, 124: timeout",
              [&typed](Session& s) { return wait(s, typed.wait); });
  add_selection(*waiting, typed.wait.runs);
  waiting->add_option("--timeout", typed.wait.timeout_s, "Seconds")->check(CLI::NonNegativeNumber);
  add_selection(*command(app, typed, "watch", "Show runs live until all have ended",
                         [&typed](Session& s) { return watch(s, typed.watched); }),
                typed.watched);
}

void add_verbs(CLI::App& app, Typed& typed) {
  static const std::vector<std::pair<std::string, std::string>> kVerbHelp = {
      {"pause", "Save at the next update and release the slot; undo: resume"},
      {"resume",
       "Queue paused, cancelled or failed runs again from their newest checkpoint; undo: pause"},
      {"cancel", "Save, flush and stop; undo: resume"},
      {"kill", "Stop at once; resume goes on from the last checkpoint"},
      {"retry", "Queue failed or cancelled runs again with fresh budgets; undo: cancel"}};
  for (const auto& [name, help] : kVerbHelp) {
    CLI::App* added = command(app, typed, name, help, [&typed, verb = name](Session& session) {
      typed.verb.verb = verb;
      return apply_verb(session, typed.verb);
    });
    add_selection(*added, typed.verb.runs);
    added->add_option("--state", typed.verb.runs.state, "Only those in this state");
    if (name == "retry") {
      added->add_flag("--from-scratch", typed.verb.from_scratch,
                      "Forget the checkpoints; cannot be undone");
    }
  }
}

void add_offspring(CLI::App& app, Typed& typed) {
  CLI::App* forking =
      command(app, typed, "fork",
              "A new run out of a run's newest checkpoint, whatever that run does; undo: cancel",
              [&typed](Session& session) { return fork(session, typed.fork); });
  forking->add_option("run", typed.fork.selector, kRunHelp)->required();
  forking->add_option("--set", typed.fork.set, "field=value, unlike the run; repeatable")
      ->take_all();
  forking->add_option("--name", typed.fork.name, "Its name (default: NAME-fork)");
  forking->add_option("--step", typed.fork.step, "The checkpoint at this step")
      ->check(CLI::NonNegativeNumber);
  CLI::App* extending = command(
      app, typed, "extend", "Let a run that is done train on, under a constant learning rate",
      [&typed](Session& session) { return extend(session, typed.extend); });
  extending->add_option("run", typed.extend.selector, kRunHelp)->required();
  extending->add_option("--steps", typed.extend.steps, "Updates more, such as +500")
      ->required()
      ->check(CLI::Range(1, 1'000'000'000));
}

void add_operations(CLI::App& app, Typed& typed) {
  command(
      app, typed, "doctor",
      "Look at programs, folders, coordinator and workers; exit 0: nothing is wrong, 1: something",
      [](Session& session) { return doctor(session); });
  command(app, typed, "backup", "Copy the database to one file while everything goes on",
          [&typed](Session& session) { return backup(session, typed.backup); })
      ->add_option("file", typed.backup, "A new file (default: one in HOME/backups)");
  CLI::App* collecting = command(app, typed, "gc",
                                 "Remove checkpoints that ended runs can do without, after showing "
                                 "them and the disk's outlook",
                                 [&typed](Session& session) { return gc(session, typed.gc); });
  add_any_selection(*collecting, typed.gc.runs);
  collecting->add_option("--state", typed.gc.runs.state, "Only those in this state");
  collecting
      ->add_option("--keep-last", typed.gc.keep_last,
                   "Newest checkpoints to keep of a run (default: 1 of a done one, else its "
                   "checkpoint.keep_last)")
      ->check(CLI::Range(1, 1'000'000));
  collecting
      ->add_option("--keep-best", typed.gc.keep_best,
                   "Best checkpoints to keep (default: its checkpoint.keep_best)")
      ->check(CLI::Range(0, 1'000'000));
  collecting->add_flag("--dry-run", typed.gc.dry_run, "Show only");
  CLI::App* restoring =
      command(app, typed, "restore",
              "Put a backup in place of the database; the coordinator must be stopped",
              [&typed](Session& session) { return restore(session, typed.restore); });
  restoring->add_option("file", typed.restore.file, "A file that backup made")->required();
  restoring->add_option("--store", typed.restore.store, "As given to up (default: HOME/store)");
}

void add_pool_options(CLI::App& added, SlurmAddOptions& slurm) {
  added.add_option("--name", slurm.name, "Name of the pool")->capture_default_str();
  added.add_option("--max-jobs", slurm.max_jobs, "Jobs it keeps alive at most")
      ->required()
      ->check(CLI::Range(1, 1000));
  added.add_option("--time-limit", slurm.time_limit, "Of a job, such as 4h")->required();
  added
      .add_option("--token-file", slurm.token_file,
                  "File on the nodes with the worker token; it is read there and goes into no job")
      ->required();
  added
      .add_option("--idle-timeout", slurm.idle_timeout,
                  "A worker without a run leaves after it, and its job ends")
      ->capture_default_str();
  added.add_option("--save-time", slurm.save_time,
                   "How long before the limit runs begin to save (default: a tenth, 30s to 10m)");
  added.add_option("--workers", slurm.workers, "CPU slots of a job (default: a slot for each GPU)")
      ->check(CLI::Range(1, 1024));
  added.footer(
      "The nodes reach the coordinator at --url. What follows -- goes to "
      "sbatch as it is:\n  sarsweep slurm add --max-jobs 4 --time-limit 4h --token-file "
      "~/worker-token -- -p gpu --gres gpu:1");
}

void add_slurm(CLI::App& app, Typed& typed) {
  CLI::App* slurm =
      app.add_subcommand("slurm", "Workers as Slurm jobs, as many as the queue has work for");
  slurm->require_subcommand(1);
  slurm->fallthrough();
  add_pool_options(*command(*slurm, typed, "add",
                            "Keep up to so many Slurm jobs alive while work waits, each a worker",
                            [&typed](Session& s) { return slurm_add(s, typed.slurm); }),
                   typed.slurm);
  command(*slurm, typed, "ls", "The pools and their jobs",
          [](Session& session) { return slurm_ls(session); });
  const auto change = [&](const char* name, const char* verb, const char* help) {
    command(*slurm, typed, name, help,
            [&typed, verb](Session& session) { return slurm_change(session, typed.pool, verb); })
        ->add_option("pool", typed.pool, "A pool, as slurm ls names it")
        ->required();
  };
  change("pause", "pause", "Submit no more jobs; those that are there go on; undo: slurm resume");
  change("resume", "resume", "Submit jobs again; undo: slurm pause");
  change("rm", "remove", "Cancel its waiting jobs, let the running ones save and end");
}

// What stands behind -- is sbatch's, whatever it looks like.
void take_sbatch_arguments(std::vector<std::string>& ours, SlurmAddOptions& slurm) {
  const auto dashes = std::find(ours.begin(), ours.end(), "--");
  if (dashes == ours.end() || std::find(ours.begin(), dashes, "add") == dashes) return;
  slurm.sbatch.assign(dashes + 1, ours.end());
  ours.erase(dashes, ours.end());
}

void add_completion(CLI::App& app, Typed& typed) {
  command(app, typed, "completion", "Print what makes a shell complete commands and names",
          [&typed](Session& session) {
            session.out() << completion_script(typed.shell);
            return Exit::ok;
          })
      ->add_option("shell", typed.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember(choices_of("shell")));
  // Asked by those scripts, while the parser is still there to say what may follow.
  CLI::App* asked = app.add_subcommand("complete", "What may follow these words")->group("");
  asked->callback([&app, &typed] {
    typed.chosen = [found = complete(app, typed.forwarded)](Session& session) {
      return print_completion(session, found);
    };
  });
}

// Whether what stands behind the command `word` is for another program.
bool forwards(const std::vector<std::string>& words,
              std::vector<std::string>::const_iterator word) {
  if (*word != "worker") return *word == "serve" || *word == "complete";
  const auto next = std::next(word);
  return next == words.end() || (*next != "ls" && *next != "drain" && *next != "undrain");
}

// What is wrong with the command's name: empty if there is one of that name.
std::string unknown_command(const CLI::App& app, const std::string& word) {
  std::string best;
  int distance = 3;
  for (const CLI::App* known : app.get_subcommands({})) {
    if (known->get_group().empty()) continue;
    for (const std::string& name :
         {known->get_name(), std::string(known->get_name() == "submit" ? "apply" : "")}) {
      const int d = config::edit_distance(word, name);
      if (d == 0) return {};
      if (d < distance) {
        distance = d;
        best = name;
      }
    }
  }
  return "no command '" + word + "'" +
         (best.empty() ? "" : "; did you mean 'sarsweep " + best + "'?");
}

Refusal refusal_of(const CLI::App& app, const CLI::ParseError& error,
                   const std::vector<std::string>& arguments) {
  std::ostringstream out;
  std::ostringstream err;
  const bool asked_for = app.exit(error, out, err) == 0;
  if (asked_for) return {Exit::ok, out.str()};
  const auto word = first_word(arguments);
  if (word == arguments.end()) return {Exit::usage, app.help()};
  const std::string unknown = unknown_command(app, *word);
  const std::string about = unknown.empty() ? *word + ": " + error.what() : unknown;
  return {Exit::usage, "sarsweep: error: " + about + "\ntry: sarsweep " +
                           (unknown.empty() ? *word + " " : "") + "--help\n"};
}

}  // namespace

std::variant<Command, Refusal> parse_arguments(const std::vector<std::string>& arguments) {
  const auto typed = std::make_shared<Typed>();
  CLI::App app("Fine-tunes latent diffusion models on SAR images, a study at a time.", "sarsweep");
  app.require_subcommand(1);
  add_global(app, *typed);
  add_programs(app, *typed);
  add_workers(app, *typed);
  add_sweeps(app, *typed);
  add_reading(app, *typed);
  add_verbs(app, *typed);
  add_offspring(app, *typed);
  add_operations(app, *typed);
  add_slurm(app, *typed);
  add_completion(app, *typed);
  try {
    std::vector<std::string> ours = arguments;
    const auto word = first_word(ours);
    if (word != ours.end() && forwards(ours, word)) {
      typed->forwarded.assign(word + 1, ours.cend());
      if (*word == "complete" && !typed->forwarded.empty() && typed->forwarded.front() == "--") {
        typed->forwarded.erase(typed->forwarded.begin());
      }
      ours.erase(word + 1, ours.cend());
    } else if (word != ours.end() && *word == "slurm") {
      take_sbatch_arguments(ours, typed->slurm);
    }
    app.parse(std::vector<std::string>(ours.rbegin(), ours.rend()));  // Reversed, as CLI11 wants.
  } catch (const CLI::ParseError& error) {
    return refusal_of(app, error, arguments);
  }
  return Command{typed->preferences, [typed](Session& session) { return typed->chosen(session); }};
}

}  // namespace sarsweep::cli
