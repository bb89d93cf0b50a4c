#include "coordinator/core/slurm_pools.h"

#include <fmt/format.h>

#include <algorithm>

#include "coordinator/core/worker_look.h"
#include "coordinator/slurm/job_script.h"
#include "coordinator/slurm/slurm_commands.h"
#include "coordinator/store/event_store.h"
#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/subprocess.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

fs::path script_of(const Core& core, const SlurmPoolRequest& pool) {
  return core.options.home / "slurm" / (pool.name + ".sh");
}

// In the store, for all nodes see it; %j is the job's id to sbatch, and %% a percent sign.
std::string log_pattern(const Core& core, const SlurmPoolRequest& pool) {
  std::string pattern;
  for (const char c : (core.options.store / "slurm").string())
    pattern += c == '%' ? "%%" : std::string(1, c);
  return pattern + "/" + pool.name + "-%j.log";
}

void tell(Connection& connection, const Core& core, const std::string& actor,
          const std::string& detail) {
  EventStore(connection)
      .add({.run = std::nullopt,
            .t_ms = core.now_ms(),
            .actor = actor,
            .what = "slurm",
            .detail = detail});
}

SlurmPoolRow need_pool(SlurmStore& store, const std::string& name) {
  if (auto pool = store.find_pool(name)) return *pool;
  std::string known;
  for (const SlurmPoolRow& pool : store.pools()) known += (known.empty() ? "" : ", ") + pool.name;
  throw Error(ErrorCode::not_found,
              fmt::format("no Slurm pool '{}'; {}", name,
                          known.empty() ? "there is none; sarsweep slurm add makes one"
                                        : "there are: " + known),
              "name");
}

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

// Where a job writes; empty where that is not known, or sbatch's arguments say otherwise.
std::string log_of(const Core& core, const SlurmPoolRow& pool, const SlurmJobRow& job) {
  const auto arguments = json::parse(pool.request).at("sbatch").get<std::vector<std::string>>();
  const bool elsewhere =
      std::any_of(arguments.begin(), arguments.end(), [](const std::string& argument) {
        return argument.starts_with("-o") || argument.starts_with("--output");
      });
  if (job.job_id.empty() || elsewhere) return {};
  return core.options.store / "slurm" / fmt::format("{}-{}.log", pool.name, job.job_id);
}

json job_view(const Core& core, const SlurmPoolRow& pool, const SlurmJobRow& job) {
  return {{"job_id", text_or_null(job.job_id)},
          {"token", job.token},
          {"state", to_string(job.state)},
          {"reason", job.reason},
          {"worker", job.worker ? json(job.worker_name) : json(nullptr)},
          {"log", text_or_null(log_of(core, pool, job))},
          {"created_ms", job.created_ms},
          {"ended_ms", job.ended_ms ? json(*job.ended_ms) : json(nullptr)}};
}

json pool_view(const Core& core, SlurmStore& store, const SlurmPoolRow& pool) {
  json view = json::parse(pool.request);
  for (const char* key : {"save_time_s", "workers", "ca"}) {
    if (!view.contains(key)) view[key] = nullptr;
  }
  view["state"] = to_string(pool.state);
  view["reason"] = pool.reason;
  view["created_ms"] = pool.created_ms;
  view["slots"] = pool.slots ? json::parse(*pool.slots) : json(nullptr);
  view["jobs"] = json::array();
  json counts = json::object();
  for (const SlurmJobState state : kSlurmJobStates) counts[std::string(to_string(state))] = 0;
  for (const SlurmJobRow& job : store.jobs(pool.id)) {
    view["jobs"].push_back(job_view(core, pool, job));
    json& count = counts[std::string(to_string(job.state))];
    count = count.get<int>() + 1;
  }
  view["counts"] = counts;
  return view;
}

void refuse_misfits(const SlurmPoolRequest& request) {
  check_arguments(request.sbatch);
  if (request.save_time_s && *request.save_time_s >= request.time_limit_s) {
    throw Error(ErrorCode::conflict,
                fmt::format("saving for {} s takes all of a job's {} s; shorten --save-time",
                            *request.save_time_s, request.time_limit_s),
                "save_time_s");
  }
}

PoolState after(PoolVerb verb) {
  switch (verb) {
    case PoolVerb::pause: return PoolState::paused;
    case PoolVerb::resume: return PoolState::active;
    case PoolVerb::remove: return PoolState::removing;
  }
  return PoolState::removing;
}

}  // namespace

JobOrder order_of(const Core& core, const SlurmPoolRequest& pool, const std::string& token,
                  const std::string& worker_name) {
  return {.token = token,
          .script = script_of(core, pool),
          .worker_name = worker_name,
          .output = log_pattern(core, pool),
          .time_limit_s = pool.time_limit_s,
          .arguments = pool.sbatch};
}

void write_script(const Core& core, const SlurmPoolRequest& pool) {
  fs::create_directories(core.options.home / "slurm");
  fs::create_directories(core.options.store / "slurm");
  write_file_atomically(script_of(core, pool),
                        job_script(pool, program_folder() / "sarsweep-worker"));
}

json add_slurm_pool(Core& core, Slurm& slurm, const SlurmPoolRequest& request,
                    const std::string& actor) {
  refuse_misfits(request);
  if (const std::string why = slurm.why_absent(); !why.empty()) {
    throw Error(ErrorCode::conflict, why);
  }
  write_script(core, request);
  const JobOrder order = order_of(core, request, "sarsweep-check", request.name + "-1");
  if (const std::string why = slurm.why_refused(order); !why.empty()) {
    throw Error(ErrorCode::conflict, "sbatch would refuse such jobs: " + why);
  }
  return core.database.write(Urgency::state, [&](Connection& c) {
    SlurmStore store(c);
    store.add_pool(
        {.name = request.name, .request = json(request).dump(), .created_ms = core.now_ms()});
    tell(c, core, actor, fmt::format("pool {} added", request.name));
    return pool_view(core, store, need_pool(store, request.name));
  });
}

json apply_pool_verb(Core& core, const std::string& name, PoolVerb verb, const std::string& actor) {
  return core.database.write(Urgency::state, [&](Connection& c) {
    SlurmStore store(c);
    const SlurmPoolRow pool = need_pool(store, name);
    const PoolState to = after(verb);
    if (pool.state == PoolState::removing && to != pool.state) {
      throw Error(
          ErrorCode::conflict,
          fmt::format("pool {} is being removed; add it again once its jobs are over", name),
          "name");
    }
    if (pool.state != to) {
      store.set_state(pool.id, to, "");
      tell(c, core, actor,
           fmt::format("pool {}: {} -> {}", name, to_string(pool.state), to_string(to)));
    }
    json view = pool_view(core, store, need_pool(store, name));
    view["was"] = to_string(pool.state);
    return view;
  });
}

json slurm_pools_view(const Core& core, Connection& connection) {
  SlurmStore store(connection);
  json out = json::array();
  for (const SlurmPoolRow& pool : store.pools()) out.push_back(pool_view(core, store, pool));
  return out;
}

std::string why_dismissed(Connection& connection, const RegisterRequest& request) {
  if (!request.slurm_job) return {};
  SlurmStore store(connection);
  const std::optional<SlurmJobRow> job = store.find_token(request.slurm_job->token);
  if (!job) return "no pool waits for the job " + request.slurm_job->token;
  const bool same = job->job_id == request.slurm_job->job_id;
  if (job->worker && !same) return fmt::format("job {} has its place", job->job_id);
  for (const SlurmPoolRow& pool : store.pools()) {
    if (pool.id == job->pool && pool.state == PoolState::removing && !job->worker) {
      return "its pool is being removed";
    }
  }
  if (is_alive(job->state)) return {};
  // It was given up. Where nobody has its place yet, it is still good.
  for (const SlurmJobRow& other : store.jobs(job->pool)) {
    if (other.worker_name == job->worker_name && is_alive(other.state)) {
      return "it came after it had been given up, and another job has its place";
    }
  }
  return {};
}

void admit(Connection& connection, const RegisterRequest& request, std::int64_t worker) {
  if (!request.slurm_job) return;
  SlurmStore store(connection);
  SlurmJobRow job = store.find_token(request.slurm_job->token).value();
  job.state = SlurmJobState::running;
  job.job_id = request.slurm_job->job_id;
  job.worker = worker;
  job.reason.clear();
  job.ended_ms.reset();
  store.save(job);
  store.set_failures(job.pool, 0);
  store.set_slots(job.pool, slots_text(request.slots));
}

}  // namespace sarsweep::coordinator
