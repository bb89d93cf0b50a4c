#include "coordinator/core/extend.h"

#include <fmt/format.h>

#include "coordinator/core/holds.h"
#include "coordinator/store/checkpoint_store.h"
#include "coordinator/store/run_store.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const RunRow& run, const std::string& why) {
  throw Error(ErrorCode::conflict,
              fmt::format("{} cannot be extended: {}; to train on as a run of its own: sarsweep "
                          "fork {}/{}",
                          run.name, why, run.sweep_name, run.name));
}

// Another row whose results are this run's own, to the letter.
std::string twin_of(Connection& connection, const RunRow& run) {
  std::string name;
  connection.each(
      "SELECT s.name || '/' || r.name FROM run r JOIN sweep s ON s.id = r.sweep"
      " WHERE r.alias_of = ?1 OR r.source_run = ?1 ORDER BY r.id LIMIT 1",
      {run.id}, [&](const Row& row) { name = row.text(0); });
  return name;
}

void require_extendable(Connection& connection, const RunRow& run) {
  if (run.state != RunState::done) {
    throw Error(ErrorCode::conflict, fmt::format("{} is {}: extend takes a run that is done",
                                                 run.name, to_string(run.state)));
  }
  if (run.config.value("job") != "diffusion") refuse(run, "its job is not diffusion");
  const json schedule = run.config.value("train.schedule");
  if (!schedule.is_null() && schedule != "constant") {
    refuse(run, fmt::format("train.schedule is {}, which has come to its end",
                            schedule.get<std::string>()));
  }
  if (!run.total_steps || *run.total_steps == 0) refuse(run, "it has made no update");
  if (run.source_run) refuse(run, "its results are another run's (cached)");
  if (const std::string twin = twin_of(connection, run); !twin.empty()) {
    refuse(run, "its results are those of " + twin + " as well");
  }
  const auto checkpoints = CheckpointStore(connection).of_run(run.id);
  if (checkpoints.empty() || checkpoints.front().step != *run.total_steps) {
    refuse(run, "the checkpoint of its end is gone");
  }
}

}  // namespace

json extend_run(Core& core, const std::string& run_id, std::int64_t steps,
                const std::string& actor) {
  return core.database.write(Urgency::state, [&](Connection& c) -> json {
    RunStore runs(c);
    RunRow run = runs.need_uid(run_id);
    if (run.alias_of) run = runs.need(*run.alias_of);
    require_extendable(c, run);
    const std::string lifted = lift_hold(c, run.sweep, actor, core.now_ms());
    const std::int64_t total = *run.total_steps + steps;
    json config = run.config.whole(), origins = run.origins.whole();
    config["train.steps"] = total;
    config.erase("train.epochs");
    origins["train.steps"] = "extend";
    runs.extend(run, {.config = config.dump(),
                      .origins = origins.dump(),
                      .run_hash = sha256(fmt::format("{}|train.steps={}", run.run_hash, total)),
                      .total_steps = total});
    runs.move(run, {.to = RunState::queued,
                    .actor = actor,
                    .reason = fmt::format("extended by {} updates to {}", steps, total),
                    .now_ms = core.now_ms()});
    return {{"id", run.uid},
            {"name", run.name},
            {"state", to_string(run.state)},
            {"was", to_string(RunState::done)},
            {"lifted", lifted},
            {"total_steps", total},
            {"undo", nullptr}};
  });
}

}  // namespace sarsweep::coordinator
