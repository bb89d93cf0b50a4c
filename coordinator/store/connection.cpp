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
constexpr int kCheckpointPages = 1000;  // of the log; 4 MB
constexpr int kPrimary = 0xff;          // the part of an extended code that says the kind

// The disk has failed, or the file is not what was written: what was synced before is all that is
// certain, and only a new start finds out what that is.
bool is_fatal(int extended_code) {
  switch (extended_code & kPrimary) {
    case SQLITE_IOERR: return extended_code != SQLITE_IOERR_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return true;
    default: return false;
  }
}

// SQLite may undo the whole transaction where it cannot undo the statement alone.
bool may_roll_back(int code) { return code == SQLITE_NOMEM || code == SQLITE_INTERRUPT; }

int count_pages(void* pages, sqlite3*, const char*, int in_log) {
  *static_cast<int*>(pages) = in_log;
  return SQLITE_OK;
}

// Texts are not copied: `values` outlives the steps, and before the next all is bound anew.
void bind(SQLite::Statement& statement, const SqlValues& values) {
  int index = 0;
  for (const SqlValue& value : values) {
    ++index;
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      statement.bind(index, *integer);
    } else if (const auto* real = std::get_if<double>(&value)) {
      statement.bind(index, *real);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      statement.bindNoCopy(index, *text);
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
  int pages_in_log = 0;
  std::optional<std::string> broken;
  std::optional<Error> rolled_back;  // by SQLite, perhaps; until roll_back()

  Impl(const std::filesystem::path& file, int flags) : database(file.string(), flags, kBusyMs) {}

  // Space can come back; that a sync failed can not be undone.
  bool is_full(const SQLite::Exception& error) {
    if (error.getErrorCode() == SQLITE_FULL) return true;
    if (error.getExtendedErrorCode() == SQLITE_IOERR_FSYNC) return false;
    if (error.getErrorCode() != SQLITE_IOERR && error.getErrorCode() != SQLITE_CANTOPEN)
      return false;
    return code_of_errno(sqlite3_system_errno(database.getHandle())) == ErrorCode::no_space;
  }

  [[noreturn]] void fail(const SQLite::Exception& error, std::string_view sql) {
    const int code = error.getErrorCode();
    if (is_full(error)) {
      rolled_back = Error(ErrorCode::no_space, "the disk of the database is full: free some space");
      throw *rolled_back;
    }
    const Error failure(code == SQLITE_CONSTRAINT ? ErrorCode::conflict : ErrorCode::internal,
                        fmt::format("database: {} in '{}'", error.what(), sql.substr(0, 120)));
    if (is_fatal(error.getExtendedErrorCode())) {
      broken = fmt::format("{} (SQLite's code {})", failure.what(), error.getExtendedErrorCode());
      // Closing it would write and sync once more.
      sqlite3_db_config(database.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    }
    if (may_roll_back(code)) rolled_back = failure;
    throw failure;
  }

  void require_sound() const {
    if (broken) throw Error(ErrorCode::internal, *broken);
    if (rolled_back) throw *rolled_back;
  }

  SQLite::Statement& prepare(const std::string& sql, const SqlValues& values) {
    require_sound();
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
  // By checkpoint_if_due(): SQLite's own checkpoints tell nobody that the disk refused them.
  script("PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 0;");
  sqlite3_wal_hook(handle, count_pages, &impl_->pages_in_log);
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
    impl_->fail(error, sql);
  }
}

std::int64_t Connection::last_id() const { return impl_->database.getLastInsertRowid(); }

void Connection::each(const std::string& sql, const SqlValues& values,
                      const std::function<void(const Row&)>& visit) {
  each_while(sql, values, [&](const Row& row) {
    visit(row);
    return true;
  });
}

void Connection::each_while(const std::string& sql, const SqlValues& values,
                            const std::function<bool(const Row&)>& visit) {
  try {
    SQLite::Statement& statement = impl_->prepare(sql, values);
    const Rewind rewind(statement);
    while (statement.executeStep() && visit(Row(&statement))) {
    }
  } catch (const SQLite::Exception& error) {
    impl_->fail(error, sql);
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
  impl_->require_sound();
  try {
    impl_->database.exec(sql);
  } catch (const SQLite::Exception& error) {
    impl_->fail(error, sql);
  }
}

void Connection::roll_back() {
  impl_->rolled_back.reset();
  if (sqlite3_get_autocommit(impl_->database.getHandle()) == 0) script("ROLLBACK");
}

void Connection::checkpoint_if_due() {
  if (impl_->pages_in_log < kCheckpointPages) return;
  impl_->pages_in_log = 0;
  script("PRAGMA wal_checkpoint(PASSIVE)");
}

const std::optional<std::string>& Connection::broken() const { return impl_->broken; }

}  // namespace sarsweep::coordinator
