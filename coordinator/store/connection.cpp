#include "coordinator/store/connection.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <string_view>
#include <unordered_map>

#include <sqlite3.h>

#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

constexpr int kBusyMs = 5000;

[[noreturn]] void rethrow(const SQLite::Exception& error, std::string_view sql) {
  if (error.getErrorCode() == SQLITE_FULL) {
    throw Error(ErrorCode::no_space, "the disk of the database is full: free some space");
  }
  const bool constraint = error.getErrorCode() == SQLITE_CONSTRAINT;
  throw Error(constraint ? ErrorCode::conflict : ErrorCode::internal,
              fmt::format("database: {} in '{}'", error.what(), sql.substr(0, 120)));
}

void bind(SQLite::Statement& statement, const SqlValues& values) {
  int index = 0;
  for (const SqlValue& value : values) {
    ++index;
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      statement.bind(index, *integer);
    } else if (const auto* real = std::get_if<double>(&value)) {
      statement.bind(index, *real);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      statement.bind(index, *text);
    } else {
      statement.bind(index);
    }
  }
}

// A statement left half-way would hold its read lock open.
class Rewind {
 public:
  explicit Rewind(SQLite::Statement& statement) : statement_(statement) {}
  ~Rewind() { statement_.tryReset(); }
  Rewind(const Rewind&) = delete;
  Rewind& operator=(const Rewind&) = delete;

 private:
  SQLite::Statement& statement_;
};

SQLite::Column column_of(void* statement, int column) {
  return static_cast<SQLite::Statement*>(statement)->getColumn(column);
}

}  // namespace

bool Row::null(int column) const { return column_of(statement_, column).isNull(); }
std::int64_t Row::integer(int column) const { return column_of(statement_, column).getInt64(); }
double Row::real(int column) const { return column_of(statement_, column).getDouble(); }
std::string Row::text(int column) const { return column_of(statement_, column).getString(); }
std::optional<std::int64_t> Row::maybe_integer(int column) const {
  if (null(column)) return std::nullopt;
  return integer(column);
}
std::optional<std::string> Row::maybe_text(int column) const {
  if (null(column)) return std::nullopt;
  return text(column);
}

SqlValue sql(const std::optional<std::string>& value) {
  return value ? SqlValue(*value) : SqlValue(nullptr);
}

SqlValue sql(const std::optional<std::int64_t>& value) {
  if (value) return *value;
  return nullptr;
}

struct Connection::Impl {
  SQLite::Database database;
  std::unordered_map<std::string, std::unique_ptr<SQLite::Statement>> statements;

  Impl(const std::filesystem::path& file, int flags) : database(file.string(), flags, kBusyMs) {}

  SQLite::Statement& prepare(const std::string& sql, const SqlValues& values) {
    std::unique_ptr<SQLite::Statement>& slot = statements[sql];
    if (!slot) slot = std::make_unique<SQLite::Statement>(database, sql);
    slot->reset();
    bind(*slot, values);
    return *slot;
  }
};

Connection::Connection(const std::filesystem::path& file, Access access) try {
  const bool writes = access == Access::write;
  impl_ = std::make_unique<Impl>(
      file, writes ? SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE : SQLite::OPEN_READONLY);
  sqlite3* handle = impl_->database.getHandle();
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  // Temporary data goes to files beyond a cache's worth: SQLite walks a statement journal in memory
  // from its beginning at every statement, which made ten thousand updates in one transaction take
  // 26 s of everybody's writing.
  script(
      "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;"
      "PRAGMA foreign_keys = ON;");
  if (!writes) {
    script("PRAGMA wal_autocheckpoint = 0; PRAGMA query_only = ON;");
    return;
  }
  const std::string mode = text("PRAGMA journal_mode = WAL").value_or("");
  if (mode != "wal") {
    throw Error(ErrorCode::internal, fmt::format("{}: journal mode is '{}', but 'wal' is needed; "
                                                 "put the home folder on a local disk",
                                                 file.string(), mode));
  }
  script("PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;");
} catch (const SQLite::Exception& error) {
  throw Error(ErrorCode::internal, fmt::format("{}: {}", file.string(), error.what()));
}

Connection::~Connection() = default;

std::int64_t Connection::change(const std::string& sql, const SqlValues& values) {
  try {
    SQLite::Statement& statement = impl_->prepare(sql, values);
    const Rewind rewind(statement);
    const int before = impl_->database.getTotalChanges();
    while (statement.executeStep()) {
    }
    return impl_->database.getTotalChanges() - before;
  } catch (const SQLite::Exception& error) {
    rethrow(error, sql);
  }
}

std::int64_t Connection::last_id() const { return impl_->database.getLastInsertRowid(); }

void Connection::each(const std::string& sql, const SqlValues& values,
                      const std::function<void(const Row&)>& visit) {
  try {
    SQLite::Statement& statement = impl_->prepare(sql, values);
    const Rewind rewind(statement);
    while (statement.executeStep()) visit(Row(&statement));
  } catch (const SQLite::Exception& error) {
    rethrow(error, sql);
  }
}

std::optional<std::int64_t> Connection::integer(const std::string& sql, const SqlValues& values) {
  std::optional<std::int64_t> found;
  bool first = true;
  each(sql, values, [&](const Row& row) {
    if (first) found = row.maybe_integer(0);
    first = false;
  });
  return found;
}

std::optional<std::string> Connection::text(const std::string& sql, const SqlValues& values) {
  std::optional<std::string> found;
  bool first = true;
  each(sql, values, [&](const Row& row) {
    if (first) found = row.maybe_text(0);
    first = false;
  });
  return found;
}

void Connection::script(const std::string& sql) {
  try {
    impl_->database.exec(sql);
  } catch (const SQLite::Exception& error) {
    rethrow(error, sql);
  }
}

}  // namespace sarsweep::coordinator
