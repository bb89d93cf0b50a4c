#include "coordinator/core/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "coordinator/core/core.h"
#include "coordinator/core/ending.h"
#include "coordinator/core/families.h"
#include "coordinator/core/object_store.h"
#include "coordinator/store/artifact_store.h"
#include "coordinator/store/attempt_store.h"
#include "coordinator/store/database.h"
#include "coordinator/store/home_lock.h"
#include "coordinator/store/run_store.h"
#include "coordinator/store/slurm_store.h"
#include "schema/base/digest.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr const char* kReason = "the database was restored from a backup";

fs::path new_folder(const fs::path& home, std::int64_t now_ms) {
  fs::path folder = home / fmt::format("before-restore-{}", now_ms);
  for (int again = 2; fs::exists(folder); ++again) {
    folder = home / fmt::format("before-restore-{}-{}", now_ms, again);
  }
  return folder;
}

// The newest epoch that has a folder in the store, whoever made it; 0: none.
std::int64_t newest_folder(const fs::path& store, const std::string& run) {
  std::int64_t newest = 0;
  const fs::path folder = run_dir::attempt_dir(store, run, 1).parent_path();
  if (!fs::is_directory(folder)) return 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    std::int64_t epoch = 0;
    if (name.size() < 2 || name.front() != 'e') continue;
    const auto end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + 1, end, epoch);
    if (parsed.ec == std::errc() && parsed.ptr == end) newest = std::max(newest, epoch);
  }
  return newest;
}

void close_open_attempts(Connection& connection, RestoreSummary& summary, std::int64_t now_ms) {
  RunStore runs(connection);
  for (const AttemptRow& attempt : AttemptStore(connection).open()) {
    RunRow run = runs.need(attempt.run);
    AttemptStore(connection).close(attempt, {AttemptEnd::fenced, kReason, now_ms});
    runs.move(run, {.to = ending_of_lost_lease(run.state, {}).to,
                    .actor = "restore",
                    .reason = kReason,
                    .now_ms = now_ms});
    ++summary.requeued;
  }
  settle_families(connection, now_ms);
}

std::int64_t missing_files(Connection& connection, const ObjectStore& objects, std::int64_t run) {
  std::int64_t missing = 0;
  for (const AttemptRow& attempt : AttemptStore(connection).of_run(run)) {
    for (const std::string& digest : ArtifactStore(connection).named(run, attempt.epoch)) {
      missing += objects.has(digest) ? 0 : 1;
    }
  }
  return missing;
}

// Their jobs may be another coordinator's by now, and where this one stands there may be no
// cluster.
void pause_pools(Connection& connection) {
  SlurmStore store(connection);
  for (const SlurmPoolRow& pool : store.pools()) {
    if (pool.state != PoolState::active) continue;
    store.set_state(pool.id, PoolState::paused, "it was restored from a backup");
  }
}

// What must be different in a database that comes back from the past.
void renew(Connection& connection, const ObjectStore& objects, RestoreSummary& summary,
           std::int64_t now_ms) {
  connection.script("BEGIN IMMEDIATE");
  connection.change("UPDATE store_info SET incarnation = ?1", {random_hex(32)});
  connection.change("DELETE FROM grant_reply");
  close_open_attempts(connection, summary, now_ms);
  pause_pools(connection);
  RunStore runs(connection);
  for (const RunRow& run : runs.all()) {
    runs.raise_epoch(run.id, newest_folder(objects.root(), run.uid));
    summary.missing_files += missing_files(connection, objects, run.id);
  }
  connection.script("COMMIT");
}

}  // namespace

RestoreSummary restore_backup(const CoordinatorOptions& options, const fs::path& backup,
                              const Clock& clock) {
  const HomeLock lock(options.home);
  RestoreSummary summary;
  summary.backup = inspect_backup(backup);
  const fs::path prepared = options.home / "restoring.db";
  remove_database(prepared);  // of a restore that was cut short
  back_up(backup, prepared);
  {
    Connection connection(prepared, Connection::Access::write);
    migrate(connection);
    renew(connection, ObjectStore(options.store), summary, clock.unix_ms());
  }
  summary.aside = new_folder(options.home, clock.unix_ms());
  replace_database(options.home / "sarsweep.db", prepared, summary.aside);
  return summary;
}

}  // namespace sarsweep::coordinator
