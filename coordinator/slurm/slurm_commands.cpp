#include "coordinator/slurm/slurm_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>

#include "schema/base/command.h"
#include "schema/base/error.h"
#include "schema/base/log.h"

namespace sarsweep::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCheckLimit{10'000};  // a person waits for it
constexpr std::size_t kMostTrouble = 400;

// What an order cannot have beside what the pool itself says, and why.
struct Refused {
  const char* letter;  // "" where there is no short form
  const char* word;
  const char* why;
};
constexpr std::array<Refused, 9> kRefused = {{
    {"-a", "--array", "a pool submits one job at a time"},
    {"-J", "--job-name", "a pool finds its jobs by the name it gives them"},
    {"-M", "--clusters", "a pool has the cluster of its coordinator"},
    {"-t", "--time", "say --time-limit to the pool instead"},
    {"-W", "--wait", "a pool does not wait for a job's end"},
    {"", "--requeue", "a pool submits another job where one is lost"},
    {"", "--test-only", "a pool submits jobs"},
    {"", "--wrap", "the job of a pool is its worker"},
    {"-H", "--hold", "a job that is held trains nothing"},
}};
constexpr std::size_t kShortestWord = 5;  // sbatch takes a long option's unique beginning

bool is(const Refused& refused, const std::string& argument) {
  if (argument.starts_with("--")) {
    const std::string word = argument.substr(0, argument.find('='));
    return word.size() >= std::min(kShortestWord, std::string(refused.word).size()) &&
           std::string(refused.word).starts_with(word);
  }
  return *refused.letter != '\0' && argument.starts_with(refused.letter);
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ","));
}

// Why a command came to nothing, in its own words.
std::string trouble_of(const std::string& program, const CommandOutcome& outcome) {
  if (!outcome.status) return program + " did not answer in time";
  const std::string said = first_line(outcome.errors.empty() ? outcome.output : outcome.errors);
  return printable(
      said.empty() ? fmt::format("{} ended with code {}", program, outcome.status->code) : said,
      kMostTrouble);
}

// The outcome of a program from the PATH; nullopt with `trouble` where it cannot even be started.
std::optional<CommandOutcome> run(const std::string& program, std::vector<std::string> arguments,
                                  milliseconds limit, const std::stop_token& stop,
                                  std::string& trouble) {
  const std::filesystem::path found = find_program(program);
  if (found.empty()) {
    trouble = "there is no " + program + " on the coordinator's PATH";
    return std::nullopt;
  }
  arguments.insert(arguments.begin(), found.string());
  try {
    return run_command(arguments, limit, stop);
  } catch (const Error& error) {
    trouble = error.what();
    return std::nullopt;
  }
}

QueueLook look(const std::string& program, const std::vector<std::string>& arguments,
               milliseconds limit, const std::stop_token& stop) {
  QueueLook look;
  const auto outcome = run(program, arguments, limit, stop, look.trouble);
  if (!outcome) return look;
  if (!outcome->succeeded()) {
    look.trouble = trouble_of(program, *outcome);
    return look;
  }
  look = parse_jobs(outcome->output);
  if (!look.answered) look.trouble = program + " said: " + look.trouble;
  return look;
}

bool is_number(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void check_arguments(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    for (const Refused& refused : kRefused) {
      if (!is(refused, argument)) continue;
      throw Error(ErrorCode::invalid,
                  fmt::format("sbatch's {} is not for pools: {}", refused.word, refused.why),
                  "sbatch");
    }
    if (argument == ":" || argument == "--") {
      throw Error(ErrorCode::invalid,
                  fmt::format("'{}' among the arguments of sbatch would begin another job or a "
                              "script; a pool has its own",
                              argument),
                  "sbatch");
    }
  }
}

// The pool's own words come last: of a repeated option sbatch takes the last.
std::vector<std::string> sbatch_arguments(const JobOrder& order) {
  std::vector<std::string> words = {"--output=" + order.output};
  words.insert(words.end(), order.arguments.begin(), order.arguments.end());
  words.insert(words.end(), {"--parsable", "--no-requeue", "--job-name=" + order.token,
                             fmt::format("--time={}", (order.time_limit_s + 59) / 60),
                             order.script.string(), order.worker_name});
  return words;
}

std::string parse_job_id(const std::string& output) {
  std::string found;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    const std::string id = line.substr(0, line.find(';'));
    if (!is_number(id)) continue;
    if (!found.empty()) return {};
    found = id;
  }
  return found;
}

QueueLook parse_jobs(const std::string& output) {
  QueueLook look{.answered = true};
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (first_line(line).empty()) continue;
    std::istringstream fields(line);
    Sighting job;
    const bool whole = std::getline(fields, job.job_id, '|') &&
                       std::getline(fields, job.state, '|') && std::getline(fields, job.name, '|');
    if (!whole || job.job_id.empty() || job.state.empty() || job.name.empty()) {
      return {.answered = false, .trouble = printable(first_line(line), kMostTrouble)};
    }
    std::getline(fields, job.reason);
    if (job.reason == "None") job.reason.clear();
    job.state = job.state.substr(0, job.state.find(' '));  // "CANCELLED by 1000"
    look.jobs.push_back(std::move(job));
  }
  return look;
}

std::string SlurmCommands::why_absent() const {
  for (const char* program : {"sbatch", "squeue", "scancel"}) {
    if (!find_program(program).empty()) continue;
    return fmt::format(
        "there is no {} on the PATH of the coordinator: start it on a machine of the cluster, such "
        "as its login node, with Slurm's commands on the PATH",
        program);
  }
  return {};
}

std::string SlurmCommands::why_refused(const JobOrder& order) {
  std::vector<std::string> arguments = sbatch_arguments(order);
  arguments.insert(arguments.begin(), "--test-only");
  std::string trouble;
  const auto outcome = run("sbatch", arguments, std::min(limit_, kCheckLimit), {}, trouble);
  if (!outcome) return trouble;
  const bool said_no = outcome->status && !outcome->succeeded();
  return said_no ? trouble_of("sbatch", *outcome) : "";
}

SubmitOutcome SlurmCommands::submit(const JobOrder& order, const std::stop_token& stop) {
  SubmitOutcome submitted;
  const auto outcome = run("sbatch", sbatch_arguments(order), limit_, stop, submitted.trouble);
  if (!outcome) return submitted;
  if (outcome->succeeded()) submitted.job_id = parse_job_id(outcome->output);
  if (submitted.job_id.empty()) {
    submitted.trouble = outcome->succeeded() ? "sbatch printed no job id but: " +
                                                   printable(first_line(outcome->output), 200)
                                             : trouble_of("sbatch", *outcome);
  }
  return submitted;
}

QueueLook SlurmCommands::queue(const std::vector<std::string>& names, const std::stop_token& stop) {
  return look("squeue",
              {"--noheader", "--states=all", "--name=" + joined(names), "--format=%i|%T|%j|%r"},
              limit_, stop);
}

QueueLook SlurmCommands::history(const std::vector<std::string>& names,
                                 const std::stop_token& stop) {
  return look("sacct",
              {"--noheader", "--parsable2", "--allocations", "--starttime=now-30days",
               "--name=" + joined(names), "--format=JobIDRaw,State,JobName"},
              limit_, stop);
}

std::string SlurmCommands::cancel(const std::string& job_id, Cancel how,
                                  const std::stop_token& stop) {
  std::vector<std::string> arguments = {job_id};
  if (how == Cancel::running) arguments = {"--signal=TERM", "--batch", job_id};
  std::string trouble;
  const auto outcome = run("scancel", arguments, limit_, stop, trouble);
  if (outcome && !outcome->succeeded()) trouble = trouble_of("scancel", *outcome);
  return trouble;
}

}  // namespace sarsweep::coordinator
