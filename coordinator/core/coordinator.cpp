#include "coordinator/core/coordinator.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "coordinator/core/cell_diff.h"
#include "coordinator/core/core.h"
#include "coordinator/core/draining.h"
#include "coordinator/core/extend.h"
#include "coordinator/core/fork.h"
#include "coordinator/core/garbage.h"
#include "coordinator/core/history_views.h"
#include "coordinator/core/leaderboard.h"
#include "coordinator/core/leasing.h"
#include "coordinator/core/readiness.h"
#include "coordinator/core/reaper.h"
#include "coordinator/core/run_views.h"
#include "coordinator/core/selector.h"
#include "coordinator/core/slurm_pools.h"
#include "coordinator/core/slurm_tender.h"
#include "coordinator/core/statistician.h"
#include "coordinator/core/streams.h"
#include "coordinator/core/submit.h"
#include "coordinator/core/sweep_views.h"
#include "coordinator/core/tidying.h"
#include "coordinator/core/verbs.h"
#include "coordinator/core/why_view.h"
#include "coordinator/slurm/slurm_commands.h"
#include "coordinator/store/backup.h"
#include "coordinator/sweep/wandb_import.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {

using nlohmann::json;

namespace {

// How long a leaderboard waits for its statistics before it goes out without.
constexpr std::chrono::milliseconds kPatience(200);

}  // namespace

struct Coordinator::Impl {
  Core core;
  SlurmCommands slurm;
  SlurmTender tender;
  mutable Statistician statistician;

  Impl(CoordinatorOptions options, const Clock& clock, SweepLanguage language,
       const SlurmOptions& patience)
      : core(std::move(options), clock, std::move(language)),
        slurm(std::chrono::milliseconds(static_cast<std::int64_t>(patience.limit_s * 1000))),
        tender(core, slurm, {patience.doubt_s, patience.vanish_s}),
        statistician(core.objects) {}

  // A view, and again if its statistics are there before patience ends.
  template <typename Query>
  json with_statistics(const Query& query,
                       LeaderboardView (*view)(Connection&, const Query&, const Ask&),
                       Board (*board)(Connection&, const Query&)) const {
    const auto look = [&] {
      return core.database.read([&](Connection& c) {
        return view(c, query, [&](const Statistician::Question& question) {
          return statistician.look(question, [this, query, board] {
            return core.database.read([&](Connection& again) { return board(again, query); });
          });
        });
      });
    };
    LeaderboardView seen = look();
    if (!seen.current && statistician.await(seen.question, kPatience)) seen = look();
    return seen.document;
  }

  json with_trouble(json pool) const {
    pool["trouble"] = tender.trouble();
    return pool;
  }

  // One consistent look at a run and what hangs on it.
  template <typename F>
  json of_run(const std::string& id, F&& view) const {
    return core.database.read(
        [&](Connection& c) -> json { return view(c, RunStore(c).need_uid(id)); });
  }
};

Coordinator::Coordinator(CoordinatorOptions options, const Clock& clock, SweepLanguage language,
                         const SlurmOptions& slurm)
    : impl_(std::make_unique<Impl>(std::move(options), clock, std::move(language), slurm)) {}
Coordinator::~Coordinator() = default;

json Coordinator::plan(const SweepSource& source) { return plan_sweep(impl_->core, source); }
json Coordinator::import_wandb(const SweepSource& source) const {
  const ImportedSweep imported = coordinator::import_wandb(source.file, source.text);
  return {{"text", imported.text}, {"diagnostics", imported.diagnostics}};
}
json Coordinator::submit(const SweepSource& source, const std::string& idempotency_key,
                         const std::string& actor, json* problems) {
  return submit_sweep(impl_->core, {source, idempotency_key, actor}, problems);
}
json Coordinator::apply_verb(const std::string& run_id, Verb verb, bool from_scratch,
                             const std::string& actor) {
  return coordinator::apply_verb(impl_->core, run_id, verb, from_scratch, actor);
}
json Coordinator::extend(const std::string& run_id, std::int64_t steps, const std::string& actor) {
  return extend_run(impl_->core, run_id, steps, actor);
}
json Coordinator::fork(const std::string& run_id, const ForkRequest& request,
                       const std::string& actor, json* problems) {
  return fork_run(impl_->core, run_id, request, actor, problems);
}

json Coordinator::sweeps() const {
  return impl_->core.database.read([](Connection& c) { return sweeps_view(c); });
}
json Coordinator::sweep(const std::string& name) const {
  return impl_->core.database.read([&](Connection& c) { return sweep_view(c, name); });
}
json Coordinator::runs(const RunFilter& filter) const {
  return impl_->core.database.read([&](Connection& c) {
    json out = json::array();
    for (const RunRow& run : select_runs(c, filter)) {
      out.push_back(run_document(impl_->core, c, run));
    }
    return out;
  });
}
json Coordinator::run(const std::string& id) const {
  return impl_->of_run(
      id, [&](Connection& c, const RunRow& run) { return run_detail(impl_->core, c, run); });
}
json Coordinator::metrics(const std::string& id, const std::vector<std::string>& keys,
                          bool all_attempts, std::int64_t max_points) const {
  return impl_->of_run(id, [&](Connection& c, const RunRow& run) {
    return metrics_view(c, run, {keys, all_attempts, max_points});
  });
}
json Coordinator::log(const std::string& id, std::int64_t offset, std::int64_t limit,
                      std::optional<std::int64_t> attempt) const {
  return impl_->of_run(id, [&](Connection& c, const RunRow& run) {
    return log_view(impl_->core, c, run, {offset, limit, attempt});
  });
}
json Coordinator::samples(const std::string& id) const {
  return impl_->of_run(id, [](Connection& c, const RunRow& run) { return samples_view(c, run); });
}
json Coordinator::events(const std::string& id, std::int64_t after) const {
  return impl_->of_run(
      id, [&](Connection& c, const RunRow& run) { return events_view(c, run, after); });
}
json Coordinator::evaluation(const std::string& id) const {
  return impl_->of_run(
      id, [&](Connection& c, const RunRow& run) { return evaluation_view(impl_->core, c, run); });
}
json Coordinator::why(const std::string& id) const {
  return impl_->of_run(
      id, [&](Connection& c, const RunRow& run) { return why_view(impl_->core, c, run); });
}
json Coordinator::leaderboard(const std::string& sweep, const std::string& baseline) const {
  return impl_->with_statistics(BoardQuery{sweep, baseline}, leaderboard_view, board_of);
}
json Coordinator::diff(const std::string& a, const std::string& b) const {
  return impl_->with_statistics(DiffQuery{a, b}, diff_view, diff_board);
}
json Coordinator::queue(std::int64_t limit) const {
  return impl_->core.database.read([limit](Connection& c) { return queue_view(c, limit); });
}
json Coordinator::names(const std::string& prefix) const {
  return impl_->core.database.read([&](Connection& c) { return names_view(c, prefix); });
}
json Coordinator::workers() const {
  return impl_->core.database.read([&](Connection& c) { return workers_view(impl_->core, c); });
}
std::filesystem::path Coordinator::artifact(const std::string& sha256) const {
  if (!impl_->core.objects.has(sha256)) {
    throw Error(ErrorCode::not_found, "no artifact has the digest " + sha256, "sha256");
  }
  return impl_->core.objects.object(sha256);
}
std::string Coordinator::prometheus() const {
  return impl_->core.database.read([&](Connection& c) { return prometheus_text(impl_->core, c); });
}

std::vector<std::string> Coordinator::why_not_ready() const {
  return coordinator::why_not_ready(impl_->core);
}

std::optional<std::string> Coordinator::failure() const { return impl_->core.database.failure(); }
void Coordinator::on_failure(std::function<void()> call) {
  impl_->core.database.on_failure(std::move(call));
}

json Coordinator::back_up() {
  const CoordinatorOptions& options = impl_->core.options;
  const std::string name = fmt::format("sarsweep-{}.db", impl_->core.now_ms());
  const BackupSummary made =
      coordinator::back_up(options.home / "sarsweep.db", options.home / "backups" / name);
  return {{"file", made.file.string()}, {"bytes", made.bytes}, {"schema", made.schema},
          {"sweeps", made.sweeps},      {"runs", made.runs},   {"points", made.points}};
}

json Coordinator::collect_garbage(const GarbageRequest& request, const std::string& actor) {
  return coordinator::collect_garbage(impl_->core, request, actor);
}

json Coordinator::set_drain(const std::string& worker_id, Drain drain, const std::string& actor) {
  return coordinator::set_drain(impl_->core, worker_id, drain, actor);
}

RegisterReply Coordinator::register_worker(const RegisterRequest& request) {
  return coordinator::register_worker(impl_->core, request);
}
LeaseReply Coordinator::lease(const LeaseRequest& request) {
  return coordinator::lease(impl_->core, request);
}
HeartbeatReply Coordinator::heartbeat(const HeartbeatRequest& request) {
  return coordinator::heartbeat(impl_->core, request);
}
void Coordinator::started(const LeaseKey& key) { coordinator::started(impl_->core, key); }
FinishOutcome Coordinator::finish(const FinishRequest& request) {
  return coordinator::finish(impl_->core, request);
}
void Coordinator::leave(const std::string& worker_id, const std::string& incarnation) {
  coordinator::leave(impl_->core, worker_id, incarnation);
}

DataOutcome Coordinator::append_events(const LeaseKey& key, std::int64_t offset,
                                       std::string_view lines) {
  return coordinator::append_events(impl_->core, key, offset, lines);
}
DataOutcome Coordinator::append_log(const LeaseKey& key, std::int64_t offset,
                                    std::string_view bytes) {
  return coordinator::append_log(impl_->core, key, offset, bytes);
}
std::vector<std::string> Coordinator::missing_artifacts(const LeaseKey& key,
                                                        const std::vector<std::string>& sha256) {
  return coordinator::missing_artifacts(impl_->core, key, sha256);
}
void Coordinator::admit_artifact(const LeaseKey& key) {
  coordinator::admit_artifact(impl_->core, key);
}
void Coordinator::commit_artifact(const LeaseKey& key, const std::string& sha256,
                                  const std::filesystem::path& file) {
  coordinator::commit_artifact(impl_->core, key, sha256, file);
}
std::filesystem::path Coordinator::incoming_folder() const {
  return impl_->core.objects.incoming();
}

json Coordinator::slurm_pools() const {
  json pools =
      impl_->core.database.read([&](Connection& c) { return slurm_pools_view(impl_->core, c); });
  for (json& pool : pools) pool = impl_->with_trouble(std::move(pool));
  return pools;
}
json Coordinator::add_slurm_pool(const SlurmPoolRequest& request, const std::string& actor) {
  return impl_->with_trouble(
      coordinator::add_slurm_pool(impl_->core, impl_->slurm, request, actor));
}
json Coordinator::apply_pool_verb(const std::string& name, PoolVerb verb,
                                  const std::string& actor) {
  return impl_->with_trouble(coordinator::apply_pool_verb(impl_->core, name, verb, actor));
}

void Coordinator::tick() { reap(impl_->core); }
void Coordinator::tidy() {
  coordinator::tidy(impl_->core);
  impl_->core.database.refill_reserve();
}
void Coordinator::tend_slurm(const std::stop_token& stop) { impl_->tender.round(stop); }
const CoordinatorOptions& Coordinator::options() const { return impl_->core.options; }

}  // namespace sarsweep::coordinator
