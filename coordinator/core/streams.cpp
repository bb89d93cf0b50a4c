#include "coordinator/core/streams.h"

#include <algorithm>
#include <vector>

#include "coordinator/core/event_ingest.h"
#include "coordinator/core/holding.h"
#include "coordinator/core/readiness.h"
#include "coordinator/store/artifact_store.h"
#include "coordinator/store/checkpoint_store.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

// What is still wanted before the attempt may end; null if nothing is.
json missing_parts(Core& core, Connection& connection, const AttemptRow& attempt,
                   const FinishRequest& request) {
  json artifacts = json::array();
  for (const std::string& digest : ArtifactStore(connection).named(attempt.run, attempt.epoch)) {
    if (!core.objects.has(digest)) artifacts.push_back(digest);
  }
  if (attempt.event_bytes == request.event_bytes && attempt.log_bytes == request.log_bytes &&
      artifacts.empty()) {
    return nullptr;
  }
  return {{"event_bytes", attempt.event_bytes},
          {"log_bytes", attempt.log_bytes},
          {"artifacts", artifacts}};
}

bool saved_in(Connection& connection, const AttemptRow& attempt) {
  const std::vector<CheckpointRow> rows = CheckpointStore(connection).of_run(attempt.run);
  return std::any_of(rows.begin(), rows.end(),
                     [&](const CheckpointRow& row) { return row.epoch == attempt.epoch; });
}

FinishOutcome finish_within(Core& core, Connection& connection, const FinishRequest& request) {
  const Holding known = find_holding(core, connection, request.key);
  if (known.attempt.exit_code) return {FinishReply{known.run.state}, {}};  // Its reply was lost.
  Holding holding = hold(core, connection, request.key);
  json missing = missing_parts(core, connection, holding.attempt, request);
  if (!missing.is_null()) return {std::nullopt, std::move(missing)};
  const AttemptRow& attempt = holding.attempt;
  Exit exit{.code = request.exit_code,
            .signal = request.signal,
            .draining = request.draining,
            .walltime = request.walltime,
            .saved = saved_in(connection, attempt),
            .micro_batch = attempt.end_micro_batch,
            .reason = request.reason};
  if (holding.attempt.end_exit_code) {
    exit.code = static_cast<int>(*holding.attempt.end_exit_code);
    exit.signal = 0;
  }
  AttemptStore(connection).record_exit(holding.attempt, exit.code, exit.signal);
  if (!holding.attempt.end) {
    conclude(core, connection, holding, ending_of(holding.run.state, exit, budget_of(holding.run)));
  }
  return {FinishReply{holding.run.state}, {}};
}

}  // namespace

DataOutcome append_events(Core& core, const LeaseKey& key, std::int64_t offset,
                          std::string_view lines) {
  require_room(core, Data::metrics);
  return core.database.write(Urgency::bulk, [&](Connection& c) -> DataOutcome {
    Holding holding = hold(core, c, key);
    const std::int64_t stored = holding.attempt.event_bytes;
    if (offset != stored) return {false, stored};
    ingest_events(core, c, holding, lines);
    const std::int64_t after = stored + static_cast<std::int64_t>(lines.size());
    AttemptStore(c).set_event_bytes(holding.attempt, after);
    return {true, after};
  });
}

DataOutcome append_log(Core& core, const LeaseKey& key, std::int64_t offset,
                       std::string_view bytes) {
  require_room(core, Data::log);
  return core.database.write(Urgency::bulk, [&](Connection& c) -> DataOutcome {
    const Holding holding = hold(core, c, key);
    const std::int64_t stored = holding.attempt.log_bytes;
    if (offset != stored) return {false, stored};
    core.objects.write_log(core.objects.log(holding.run.uid, holding.attempt.epoch), offset, bytes);
    const std::int64_t after = stored + static_cast<std::int64_t>(bytes.size());
    AttemptStore(c).set_log_bytes(holding.attempt, after);
    return {true, after};
  });
}

std::vector<std::string> missing_artifacts(Core& core, const LeaseKey& key,
                                           const std::vector<std::string>& sha256) {
  core.database.write(Urgency::bulk, [&](Connection& c) { hold(core, c, key); });
  std::vector<std::string> missing;
  for (const std::string& digest : sha256) {
    if (!core.objects.has(digest)) missing.push_back(digest);
  }
  return missing;
}

void admit_artifact(Core& core, const LeaseKey& key) {
  require_room(core, Data::artifact);
  core.database.write(Urgency::bulk, [&](Connection& c) { hold(core, c, key); });
}

void commit_artifact(Core& core, const LeaseKey& key, const std::string& sha256,
                     const std::filesystem::path& file) {
  admit_artifact(core, key);
  core.objects.commit(sha256, file);
}

FinishOutcome finish(Core& core, const FinishRequest& request) {
  return core.database.write(Urgency::state,
                             [&](Connection& c) { return finish_within(core, c, request); });
}

}  // namespace sarsweep::coordinator
