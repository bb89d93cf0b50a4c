#include <fmt/format.h>

#include <filesystem>
#include <ostream>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/table.h"
#include "schema/base/command.h"
#include "schema/config/duration.h"
#include "schema/protocol/messages.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

std::int64_t seconds_of(const char* option, const std::string& text) {
  const auto seconds = config::parse_duration(text);
  if (seconds) return *seconds;
  throw Error(ErrorCode::invalid,
              fmt::format("{} '{}' is no duration; write 4h, 90m or 1d12h", option, text));
}

SlurmPoolRequest request_of(Session& session, const SlurmAddOptions& options) {
  SlurmPoolRequest request;
  request.name = options.name;
  request.max_jobs = options.max_jobs;
  request.time_limit_s = seconds_of("--time-limit", options.time_limit);
  request.idle_timeout_s = seconds_of("--idle-timeout", options.idle_timeout);
  if (!options.save_time.empty())
    request.save_time_s = seconds_of("--save-time", options.save_time);
  request.workers = options.workers;
  request.url = session.api().url();
  request.token_file = fs::absolute(options.token_file).lexically_normal().string();
  const fs::path& ca = session.preferences().ca;
  if (!ca.empty()) request.ca = fs::absolute(ca).lexically_normal().string();
  request.sbatch = options.sbatch;
  if (request.time_limit_s < 60) {
    throw Error(ErrorCode::invalid,
                fmt::format("--time-limit {} is too short: Slurm counts in minutes, and a job has "
                            "to start, train and save; write 1h, say",
                            options.time_limit));
  }
  if (request.save_time_s && *request.save_time_s >= request.time_limit_s) {
    throw Error(ErrorCode::invalid, fmt::format("--save-time {} takes all of --time-limit {}",
                                                options.save_time, options.time_limit));
  }
  if (!request.sbatch.empty() && request.sbatch.front().rfind('-', 0) != 0) {
    throw Error(ErrorCode::invalid,
                fmt::format("'{}' is no option of sbatch; a pool brings its own script",
                            request.sbatch.front()));
  }
  return request;
}

// What may be wrong and cannot be known here: the nodes see it, this machine need not.
void warn(Session& session, const SlurmPoolRequest& request) {
  std::error_code ignored;
  if (!fs::exists(request.token_file, ignored)) {
    session.err() << fmt::format(
        "there is no {} on this machine; the workers read their token from it on the nodes (a copy "
        "of the home folder's worker-token, readable for you alone)\n",
        request.token_file);
  }
  for (const char* host : {"//127.", "//localhost", "//[::1]"}) {
    if (request.url.find(host) == std::string::npos) continue;
    session.err() << fmt::format(
        "{} is this machine alone: for jobs on others the coordinator's two ports have to be "
        "forwarded there\n",
        request.url);
  }
}

// For a shell to read them as they are, with a blank before each.
std::string shell_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    const bool plain =
        !word.empty() && word.find_first_of(" \t'\"\\$`*?[]{}()<>|&;#~!") == std::string::npos;
    text += " " + (plain ? word : shell_word(word));
  }
  return text;
}

// The command that would make this pool again.
std::string add_command(const json& pool) {
  std::string text = fmt::format(
      "sarsweep slurm add --name {} --max-jobs {} --time-limit {}s --idle-timeout {}s",
      cell(pool, "name"), cell(pool, "max_jobs"), pool.at("time_limit_s").get<std::int64_t>(),
      pool.at("idle_timeout_s").get<std::int64_t>());
  if (!pool.at("save_time_s").is_null())
    text += fmt::format(" --save-time {}s", cell(pool, "save_time_s"));
  if (!pool.at("workers").is_null()) text += fmt::format(" --workers {}", cell(pool, "workers"));
  text += shell_words({"--url", pool.at("url"), "--token-file", pool.at("token_file")});
  if (pool.contains("ca") && !pool.at("ca").is_null()) text += shell_words({"--ca", pool.at("ca")});
  const auto sbatch = pool.at("sbatch").get<std::vector<std::string>>();
  return sbatch.empty() ? text : text + " --" + shell_words(sbatch);
}

std::string jobs_of(const json& pool) {
  const json& counts = pool.at("counts");
  const auto count = [&](const char* state) { return counts.value(state, std::int64_t{0}); };
  return fmt::format(
      "{} running, {} pending{} of {}", count("running"), count("pending"),
      count("submitting") > 0 ? fmt::format(", {} in doubt", count("submitting")) : "",
      cell(pool, "max_jobs"));
}

std::string pool_table(const json& pools) {
  Table table({{"POOL"}, {"STATE"}, {"JOBS"}, {"LIMIT"}, {"SBATCH"}, {"REASON"}});
  for (const json& pool : pools) {
    const std::string words = shell_words(pool.at("sbatch").get<std::vector<std::string>>());
    table.add({cell(pool, "name"), cell(pool, "state"), jobs_of(pool),
               duration(pool.at("time_limit_s")), words.empty() ? "-" : words.substr(1),
               cell(pool, "reason")});
  }
  return table.text();
}

std::string job_table(const json& pools) {
  Table table({{"JOB"}, {"POOL"}, {"STATE"}, {"WORKER"}, {"REASON"}, {"LOG"}});
  for (const json& pool : pools) {
    for (const json& job : pool.at("jobs")) {
      table.add({cell(job, "job_id"), cell(pool, "name"), cell(job, "state"), cell(job, "worker"),
                 cell(job, "reason"), cell(job, "log")});
    }
  }
  return table.text();
}

}  // namespace

Exit slurm_add(Session& session, const SlurmAddOptions& options) {
  const SlurmPoolRequest request = request_of(session, options);
  warn(session, request);
  const json pool = client::value_or_throw(session.api().post("/api/v1/slurm/pools", request));
  if (session.as_document()) {
    session.print_document(pool);
    return Exit::ok;
  }
  session.err() << fmt::format(
      "pool {0}: up to {1} jobs, submitted while queued runs find no free slot\n"
      "look: sarsweep slurm ls\nundo: sarsweep slurm rm {0}\n",
      request.name, request.max_jobs);
  return Exit::ok;
}

Exit slurm_ls(Session& session) {
  const json pools = get_document(session, "/api/v1/slurm/pools");
  if (session.as_document()) {
    session.print_document(pools);
    return Exit::ok;
  }
  if (pools.empty()) {
    session.err() << "no pools; make one: sarsweep slurm add --max-jobs 4 --time-limit 4h "
                     "--token-file FILE -- -p PARTITION --gres gpu:1\n";
    return Exit::ok;
  }
  session.out() << pool_table(pools);
  const std::string jobs = job_table(pools);
  if (!jobs.empty()) session.out() << '\n' << jobs;
  const std::string trouble = pools.front().value("trouble", "");
  if (!trouble.empty()) session.err() << "Slurm does not answer: " << trouble << '\n';
  return Exit::ok;
}

Exit slurm_change(Session& session, const std::string& pool, const std::string& verb) {
  const json changed = client::value_or_throw(
      session.api().post(fmt::format("/api/v1/slurm/pools/{}/{}", pool, verb), json::object()));
  if (session.as_document()) {
    session.print_document(changed);
    return Exit::ok;
  }
  const std::string was = cell(changed, "was"), state = cell(changed, "state");
  session.err() << pool << ": " << (was == state ? "stays " + state : was + " -> " + state) << '\n';
  if (verb == "pause") {
    session.err() << fmt::format(
        "jobs that are there go on; nothing is submitted\nundo: sarsweep slurm resume {}\n", pool);
  } else if (verb == "resume") {
    session.err() << fmt::format("undo: sarsweep slurm pause {}\n", pool);
  } else {
    session.err() << "waiting jobs are cancelled; the workers of running ones save and leave, and "
                     "their runs go on elsewhere\nundo: "
                  << add_command(changed) << '\n';
  }
  return Exit::ok;
}

}  // namespace sarsweep::cli
