#include "coordinator/store/backup.h"

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <array>
#include <system_error>

#include <sqlite3.h>

#include "coordinator/store/database.h"
#include "schema/base/atomic_file.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr int kBusyMs = 5000;
constexpr int kEveryPage = -1;
// What SQLite keeps beside a database in WAL mode.
constexpr std::array kBeside = {"-wal", "-shm"};

fs::path beside(const fs::path& database, const char* suffix) { return database.string() + suffix; }

// A file that goes away unless it is kept.
class Unfinished {
 public:
  explicit Unfinished(fs::path file) : file_(std::move(file)) { remove_database(file_); }
  ~Unfinished() { remove_database(file_); }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  const fs::path& file() const { return file_; }
  void keep_as(const fs::path& name) {
    sync_path(file_);
    fs::rename(file_, name);
    sync_path(name.parent_path());
  }

 private:
  fs::path file_;
};

void copy_pages(const fs::path& database, const fs::path& to) {
  SQLite::Database from(database.string(), SQLite::OPEN_READONLY, kBusyMs);
  SQLite::Database copy(to.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, kBusyMs);
  SQLite::Backup backup(copy, from);
  backup.executeStep(kEveryPage);
  if (backup.getRemainingPageCount() != 0) {
    throw Error(ErrorCode::internal, fmt::format("{} could not be read whole", database.string()));
  }
}

ErrorCode code_of(const SQLite::Exception& error) {
  return error.getErrorCode() == SQLITE_FULL ? ErrorCode::no_space : ErrorCode::internal;
}

std::int64_t count(SQLite::Database& database, const char* table) {
  return database.execAndGet(fmt::format("SELECT COUNT(*) FROM {}", table)).getInt64();
}

// Throws Error(invalid) with what SQLite finds wrong.
BackupSummary inspect(SQLite::Database& database, const fs::path& file) {
  const std::string whole = database.execAndGet("PRAGMA integrity_check(1)").getString();
  if (whole != "ok") {
    throw Error(ErrorCode::invalid, fmt::format("{} is damaged: {}", file.string(), whole));
  }
  SQLite::Statement orphans(database, "PRAGMA foreign_key_check");
  if (orphans.executeStep()) {
    throw Error(ErrorCode::invalid, fmt::format("{} is damaged: table {} names rows that are gone",
                                                file.string(), orphans.getColumn(0).getString()));
  }
  if (!database.tableExists("store_info") || !database.tableExists("run")) {
    throw Error(ErrorCode::invalid, file.string() + " is not a database of sarsweep");
  }
  return {.file = file,
          .bytes = static_cast<std::int64_t>(fs::file_size(file)),
          .schema = database.execAndGet("PRAGMA user_version").getInt64(),
          .sweeps = count(database, "sweep"),
          .runs = count(database, "run"),
          .points = count(database, "metric")};
}

// Without a WAL, so that the one file is all there is.
BackupSummary settle(const fs::path& file) {
  SQLite::Database database(file.string(), SQLite::OPEN_READWRITE, kBusyMs);
  database.exec("PRAGMA journal_mode = DELETE");
  return inspect(database, file);
}

}  // namespace

void remove_database(const fs::path& file) {
  std::error_code ignored;
  fs::remove(file, ignored);
  for (const char* suffix : kBeside) fs::remove(beside(file, suffix), ignored);
}

BackupSummary back_up(const fs::path& database, const fs::path& to) try {
  if (fs::exists(to)) {
    throw Error(ErrorCode::conflict, to.string() + " exists; choose another name");
  }
  fs::create_directories(to.parent_path());
  Unfinished copy(to.string() + ".partial");
  copy_pages(database, copy.file());
  BackupSummary summary = settle(copy.file());
  copy.keep_as(to);
  summary.file = to;
  return summary;
} catch (const SQLite::Exception& error) {
  throw Error(code_of(error), fmt::format("{}: {}", to.string(), error.what()));
} catch (const fs::filesystem_error& error) {
  throw Error(code_of_errno(error.code().value()),
              fmt::format("{}: {}", to.string(), error.code().message()));
}

BackupSummary inspect_backup(const fs::path& file) try {
  if (!fs::is_regular_file(file)) {
    throw Error(ErrorCode::invalid, "there is no file " + file.string());
  }
  SQLite::Database database(file.string(), SQLite::OPEN_READONLY, kBusyMs);
  const BackupSummary summary = inspect(database, file);
  if (summary.schema > newest_schema()) {
    throw Error(ErrorCode::invalid,
                fmt::format("{} has schema {}, this program knows {}; use a newer program",
                            file.string(), summary.schema, newest_schema()));
  }
  return summary;
} catch (const SQLite::Exception& error) {
  throw Error(ErrorCode::invalid,
              fmt::format("{} is not a whole database: {}", file.string(), error.what()));
}

void replace_database(const fs::path& database, const fs::path& file, const fs::path& aside) try {
  fs::create_directories(aside);
  const auto save = [&](const fs::path& old) {
    if (!fs::exists(old)) return;
    fs::copy_file(old, aside / old.filename());
    sync_path(aside / old.filename());
  };
  save(database);
  save(beside(database, "-wal"));
  sync_path(aside);
  for (const char* suffix : kBeside) fs::remove(beside(database, suffix));
  sync_path(file);
  fs::rename(file, database);
  sync_path(database.parent_path());
} catch (const fs::filesystem_error& error) {
  throw Error(ErrorCode::internal, fmt::format("{}: {}", database.string(), error.what()));
}

}  // namespace sarsweep::coordinator
