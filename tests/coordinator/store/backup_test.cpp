#include "coordinator/store/backup.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "coordinator/store/database.h"
#include "coordinator/store/run_store.h"
#include "coordinator/store/sweep_store.h"
#include "schema/base/atomic_file.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

class Backup : public testing::Test {
 protected:
  Backup() {
    std::string name = (fs::temp_directory_path() / "sarsweep-backup-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error(ErrorCode::internal, "mkdtemp failed");
    folder_ = name;
    database_.emplace(file());
    database_->write(Urgency::state, [](Connection& c) {
      c.change("INSERT INTO store_info (one, incarnation, created_ms) VALUES (1, 'i', 0)");
      SweepStore(c).save({.name = "s",
                          .description = "",
                          .objective_metric = "m",
                          .objective_goal = "minimize",
                          .text = "",
                          .file = ""});
    });
  }
  ~Backup() override {
    database_.reset();
    fs::remove_all(folder_);
  }

  fs::path file() const { return folder_ / "sarsweep.db"; }
  fs::path copy() const { return folder_ / "copies" / "one.db"; }
  // Two rows that belong together.
  void add_pair(int number) {
    database_->write(Urgency::state, [&](Connection& c) {
      for (const char* suffix : {"a", "b"}) {
        RunRow run;
        run.sweep = 1;
        run.name = run.uid = fmt::format("r{}{}", number, suffix);
        RunStore(c).insert(run);
      }
    });
  }
  std::vector<std::string> left_in(const fs::path& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  fs::path folder_;
  std::optional<Database> database_;
};

std::string refusal_of(const fs::path& file) {
  try {
    inspect_backup(file);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid) << error.what();
    return error.what();
  }
  return "accepted";
}

TEST_F(Backup, IsOneFileOfOneCommitWhileOthersWrite) {
  std::jthread writer([this](const std::stop_token& stop) {
    for (int i = 0; !stop.stop_requested(); ++i) add_pair(i);
  });
  for (int i = 0; i < 10; ++i) {
    const fs::path to = folder_ / "copies" / fmt::format("{}.db", i);
    const BackupSummary made = back_up(file(), to);
    EXPECT_EQ(made.runs % 2, 0) << "half of a transaction";
    EXPECT_EQ(made.schema, newest_schema());
    EXPECT_EQ(made.bytes, static_cast<std::int64_t>(fs::file_size(to)));
    const BackupSummary seen = inspect_backup(to);
    EXPECT_EQ(seen.runs, made.runs);
  }
  EXPECT_EQ(left_in(folder_ / "copies").size(), 10U) << "nothing lies beside the copies";
}

TEST_F(Backup, HoldsWhatIsStillInTheWriteAheadLog) {
  add_pair(1);
  ASSERT_GT(fs::file_size(file().string() + "-wal"), 0U);
  EXPECT_EQ(back_up(file(), copy()).runs, 2);
}

TEST_F(Backup, OverwritesNothing) {
  fs::create_directories(copy().parent_path());
  write_file_atomically(copy(), "mine");
  EXPECT_THROW(back_up(file(), copy()), Error);
  EXPECT_EQ(read_file(copy()), "mine");
}

TEST_F(Backup, LeavesNothingWhereItCannotBeMade) {
  EXPECT_THROW(back_up(folder_ / "absent.db", copy()), Error);
  EXPECT_TRUE(left_in(folder_ / "copies").empty());
}

TEST_F(Backup, OfADamagedDatabaseIsRefused) {
  for (int i = 0; i < 200; ++i) add_pair(i);
  database_.reset();  // Everything is in the one file.
  const auto page = static_cast<std::streamoff>(fs::file_size(file()) / 4096 / 2 * 4096);
  std::fstream raw(file(), std::ios::in | std::ios::out | std::ios::binary);
  raw.seekp(page);
  raw << std::string(4096, '\x5a');
  raw.close();
  EXPECT_THROW(back_up(file(), copy()), Error);
  EXPECT_TRUE(left_in(folder_ / "copies").empty());
}

TEST_F(Backup, OfWhatIsNotOursIsRefusedBySentence) {
  write_file_atomically(folder_ / "text",
                        "not a database, but long enough to have a header of its own");
  EXPECT_NE(refusal_of(folder_ / "text").find("is not a whole database"), std::string::npos);
  EXPECT_NE(refusal_of(folder_ / "absent").find("there is no file"), std::string::npos);
  { Connection(folder_ / "other.db", Connection::Access::write).script("CREATE TABLE t (x)"); }
  EXPECT_NE(refusal_of(folder_ / "other.db").find("is not a database of sarsweep"),
            std::string::npos);
  back_up(file(), copy());
  { Connection(copy(), Connection::Access::write).script("PRAGMA user_version = 99"); }
  EXPECT_NE(refusal_of(copy()).find("use a newer program"), std::string::npos);
}

TEST_F(Backup, TakesThePlaceOfADatabaseThatIsKeptAside) {
  add_pair(1);
  back_up(file(), copy());
  add_pair(2);
  database_.reset();
  replace_database(file(), copy(), folder_ / "aside");
  database_.emplace(file());
  EXPECT_EQ(database_->read([](Connection& c) { return RunStore(c).all().size(); }), 2U);
  EXPECT_EQ(inspect_backup(folder_ / "aside" / "sarsweep.db").runs, 4);
}

}  // namespace
}  // namespace sarsweep::coordinator
