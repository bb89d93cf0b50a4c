#include "coordinator/store/database.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>

#include "coordinator/store/hold_store.h"
#include "coordinator/store/home_lock.h"
#include "coordinator/store/run_store.h"
#include "coordinator/store/sweep_store.h"
#include "schema/base/atomic_file.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "sarsweep-store-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error(ErrorCode::internal, "mkdtemp failed");
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path file() const { return path / "sarsweep.db"; }
  std::filesystem::path path;
};

RunRow new_run(Connection& c, RunState state) {
  RunRow run;
  run.sweep = SweepStore(c).save({.name = "s",
                                  .description = "",
                                  .objective_metric = "m",
                                  .objective_goal = "minimize",
                                  .text = "",
                                  .file = ""});
  run.name = run.uid = fmt::format("r{}", c.integer("SELECT COUNT(*) FROM run").value());
  run.state = state;
  run.id = RunStore(c).insert(run);
  return RunStore(c).need(run.id);
}

// Without comments, and with the spaces that are needed: ALTER TABLE leaves others.
std::string plain(const std::string& sql) {
  const std::string bare = std::regex_replace(sql, std::regex("--[^\n]*"), "");
  const std::string spaced = std::regex_replace(bare, std::regex("\\s+"), " ");
  return std::regex_replace(spaced, std::regex(" ?([(),]) ?"), "$1");
}

std::vector<std::string> tables(Connection& c) {
  std::vector<std::string> found;
  c.each("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name", {},
         [&](const Row& row) { found.push_back(plain(row.text(0))); });
  return found;
}

TEST(Database, IsTheOwnersAlone) {
  Folder folder;
  {
    std::ofstream older(folder.file());  // as an older version left it
    std::filesystem::permissions(folder.file(), std::filesystem::perms(0644));
  }
  Database database(folder.file());
  database.write(Urgency::state,
                 [](Connection& c) { c.change("INSERT INTO metric_key (name) VALUES ('x')"); });
  for (const char* ending : {"", "-wal", "-shm"}) {
    const auto file = folder.file().string() + ending;
    EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600)) << file;
  }
}

TEST(Schema, IsWhatTheMigrationsMake) {
  Folder folder;
  Connection migrated(folder.file(), Connection::Access::write);
  migrate(migrated);
  Connection written(folder.path / "other.db", Connection::Access::write);
  written.script(read_file(std::filesystem::path(SARSWEEP_SOURCE_DIR) / "schema/schema.sql"));
  EXPECT_EQ(tables(migrated), tables(written));
  EXPECT_GE(tables(migrated).size(), 14U);
}

TEST(Schema, AnOlderOneIsCopiedBeforeItIsChanged) {
  Folder folder;
  {
    Connection older(folder.file(), Connection::Access::write);
    older.script(read_file(std::filesystem::path(SARSWEEP_SOURCE_DIR) /
                           "schema/migrations/0001_initial.sql"));
    older.script("PRAGMA user_version = 1");
    older.change("INSERT INTO metric_key (name) VALUES ('kept')");
  }
  {
    Database migrated(folder.file());
    EXPECT_EQ(migrated.read([](Connection& c) { return c.integer("PRAGMA user_version"); }),
              newest_schema());
    EXPECT_EQ(migrated.read([](Connection& c) { return c.text("SELECT name FROM metric_key"); }),
              "kept");
  }
  const auto copy = folder.path / "backups" / fmt::format("before-schema-{}.db", newest_schema());
  Connection before(copy, Connection::Access::read);
  EXPECT_EQ(before.integer("PRAGMA user_version"), 1);
  EXPECT_EQ(before.text("SELECT name FROM metric_key"), "kept");
  Database again(folder.file());  // Nothing to change, nothing to copy.
}

// A database as a program before 0009_queue.sql left it.
void make_older(const std::filesystem::path& file) {
  Connection older(file, Connection::Access::write);
  const std::filesystem::path steps =
      std::filesystem::path(SARSWEEP_SOURCE_DIR) / "schema/migrations";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(steps)) {
    if (entry.path().filename() < "0008") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& step : files) older.script(read_file(step));
  older.script(fmt::format("PRAGMA user_version = {}", files.size()));
  older.script(R"sql(
    INSERT INTO sweep (id, name, description, objective_metric, objective_goal, report, studies, text,
                       file, created_ms)
    VALUES (1, 's', '', 'm', 'minimize', '[]', '[]', '', '', 0);
    INSERT INTO shared_config (id, digest, config, origins)
    VALUES (1, 'd', '{"resources.gpus": 2, "train.steps": 9}', '{}');
    INSERT INTO metric_key (id, name) VALUES (1, 'train/loss'), (2, 'train/gpu_hours');
    INSERT INTO metric (run, key, attempt, step, value)
    VALUES (1, 1, 1, 1, 7.0), (1, 2, 1, 9, 4.0), (1, 2, 2, 3, 0.5), (1, 2, 2, 4, 1.5), (2, 2, 1, 1, 0.25);
  )sql");
  const auto insert = [&](std::int64_t id, const std::string& config, const SqlValue& shared) {
    older.change(R"sql(
      INSERT INTO run (id, uid, sweep, position, name, cell, label, study, seed, cell_hash, run_hash,
                       judge_hash, config, origins, axes, path_bases, state, state_ms, created_ms,
                       shared_config, priority)
      VALUES (?1, 'u' || ?1, 1, ?1, 'n' || ?1, '', '', '', 0, '', '', '', ?2, '{}', '{}', '{}', 'queued',
              0, 0, ?3, ?1 = 3)
    )sql",
                 {id, config, shared});
  };
  insert(1, "{}", std::int64_t{1});
  insert(2, R"({"resources.gpus": 4, "resources.device": "cuda"})", nullptr);
  insert(3, R"({"resources.device": "cpu"})", std::int64_t{1});
  insert(4, R"({"resources.gpus": null})", nullptr);
}

TEST(Schema, TheQueueAndTheHoursOfAnOlderOneAreFilledIn) {
  Folder folder;
  make_older(folder.file());
  Database database(folder.file());
  std::vector<std::string> queue;
  database.read([&](Connection& c) {
    RunStore(c).each_queued([&](const QueuedRun& run) {
      queue.push_back(fmt::format("{} {} {}", run.id, run.slots, run.device));
      return true;
    });
  });
  EXPECT_EQ(queue, (std::vector<std::string>{"3 2 cpu", "1 2 auto", "2 4 cuda", "4 1 auto"}));
  EXPECT_EQ(database.read([](Connection& c) { return HoldStore(c).gpu_hours({.sweep = 1}); }),
            1.75);
}

TEST(Schema, ANewerOneIsRefused) {
  Folder folder;
  { Connection(folder.file(), Connection::Access::write).script("PRAGMA user_version = 999"); }
  try {
    Database database(folder.file());
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
  }
}

TEST(Schema, KnowsEveryStateAndNoOther) {
  Folder folder;
  Connection c(folder.file(), Connection::Access::write);
  migrate(c);
  for (const RunState state : kRunStates) {
    const RunRow run = new_run(c, RunState::queued);
    const SqlValue until =
        state == RunState::backoff ? SqlValue(std::int64_t{1}) : SqlValue(nullptr);
    EXPECT_EQ(c.change("UPDATE run SET state = ?2, not_before_ms = ?3 WHERE id = ?1",
                       {run.id, std::string(to_string(state)), until}),
              1);
  }
  EXPECT_THROW(c.change("UPDATE run SET state = 'sleeping'"), Error);
  EXPECT_THROW(c.change("UPDATE run SET state = 'backoff', not_before_ms = NULL"), Error);
}

TEST(RunStore, MovesExactlyAsTheTableSays) {
  Folder folder;
  Connection c(folder.file(), Connection::Access::write);
  migrate(c);
  RunStore runs(c);
  for (const RunState from : kRunStates) {
    for (const RunState to : kRunStates) {
      RunRow run = new_run(c, RunState::queued);
      const SqlValue until =
          from == RunState::backoff ? SqlValue(std::int64_t{1}) : SqlValue(nullptr);
      c.change("UPDATE run SET state = ?2, not_before_ms = ?3 WHERE id = ?1",
               {run.id, std::string(to_string(from)), until});
      run = runs.need(run.id);
      Move move{.to = to, .actor = "t", .now_ms = 5};
      if (to == RunState::backoff) move.not_before_ms = 9;
      if (can_move(from, to)) {
        runs.move(run, move);
        EXPECT_EQ(runs.need(run.id).state, to);
      } else {
        EXPECT_THROW(runs.move(run, move), Error) << to_string(from) << " " << to_string(to);
      }
    }
  }
}

TEST(RunStore, AMoveFromAStateThatIsGoneIsAConflict) {
  Folder folder;
  Connection c(folder.file(), Connection::Access::write);
  migrate(c);
  RunStore runs(c);
  RunRow mine = new_run(c, RunState::queued);
  RunRow theirs = mine;
  runs.move(theirs, {.to = RunState::paused, .actor = "t", .now_ms = 1});
  EXPECT_THROW(runs.move(mine, {.to = RunState::cancelled, .actor = "t", .now_ms = 1}), Error);
  EXPECT_EQ(runs.need(mine.id).state, RunState::paused);
}

TEST(Database, AFailedWorkLeavesNothingAndHarmsNoOther) {
  Folder folder;
  Database database(folder.file());
  EXPECT_THROW(database.write(Urgency::state,
                              [](Connection& c) {
                                new_run(c, RunState::queued);
                                throw Error(ErrorCode::invalid, "no");
                              }),
               Error);
  database.write(Urgency::bulk, [](Connection& c) { new_run(c, RunState::queued); });
  EXPECT_EQ(database.read([](Connection& c) { return RunStore(c).all().size(); }), 1U);
}

TEST(Database, ManyThreadsWriteThroughOneConnection) {
  Folder folder;
  Database database(folder.file());
  database.write(Urgency::state, [](Connection& c) { new_run(c, RunState::queued); });
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&database, t] {
        for (int i = 0; i < 25; ++i) {
          database.write(t % 2 == 0 ? Urgency::state : Urgency::bulk,
                         [](Connection& c) { c.change("UPDATE run SET step = step + 1"); });
        }
      });
    }
  }
  EXPECT_EQ(database.read([](Connection& c) { return RunStore(c).all().front().step; }), 200);
}

TEST(Database, KeepsWhatWasCommittedWhenItIsOpenedAgain) {
  Folder folder;
  {
    Database(folder.file()).write(Urgency::state, [](Connection& c) {
      new_run(c, RunState::done);
    });
  }
  Database database(folder.file());
  EXPECT_EQ(database.read([](Connection& c) { return RunStore(c).all().size(); }), 1U);
  EXPECT_EQ(database.read([](Connection& c) { return c.text("PRAGMA integrity_check").value(); }),
            "ok");
}

TEST(HomeLock, AdmitsOneHolderAndKnowsNetworkFilesystems) {
  Folder folder;
  {
    const HomeLock first(folder.path);
    EXPECT_THROW(HomeLock second(folder.path), Error);
  }
  const HomeLock third(folder.path);
  EXPECT_TRUE(is_network_filesystem(0x6969));
  EXPECT_FALSE(is_network_filesystem(0xEF53));
}

}  // namespace
}  // namespace sarsweep::coordinator
