#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sarsweep::coordinator {

using SqlValue = std::variant<std::nullptr_t, std::int64_t, double, std::string>;
using SqlValues = std::vector<SqlValue>;

// The row a query stands on; valid only inside the callback that receives it.
class Row {
 public:
  explicit Row(void* statement) : statement_(statement) {}
  bool null(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  std::optional<std::int64_t> maybe_integer(int column) const;
  std::optional<std::string> maybe_text(int column) const;

 private:
  void* statement_;
};

// One SQLite connection with its prepared statements. Not thread-safe. Throws Error: `conflict` for
// a broken constraint, `internal` for everything else. After a fault that SQLite may have answered
// by a rollback of its own, every statement fails until roll_back().
class Connection {
 public:
  enum class Access { read, write };

  Connection(const std::filesystem::path& file, Access access);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs one statement; returns the number of rows it changed.
  std::int64_t change(const std::string& sql, const SqlValues& values = {});
  // The rowid of the last insert.
  std::int64_t last_id() const;
  // Calls `visit` for every row of the query. `visit` must not run the same statement again.
  void each(const std::string& sql, const SqlValues& values,
            const std::function<void(const Row&)>& visit);
  // The same, and ends where `visit` returns false.
  void each_while(const std::string& sql, const SqlValues& values,
                  const std::function<bool(const Row&)>& visit);
  // The first column of the first row; nullopt if there is none or it is NULL.
  std::optional<std::int64_t> integer(const std::string& sql, const SqlValues& values = {});
  std::optional<std::string> text(const std::string& sql, const SqlValues& values = {});
  // Several statements without parameters (migrations).
  void script(const std::string& sql);
  // Gives up the open transaction, if there is one.
  void roll_back();
  // Moves what has been committed out of the log into the file, once that is worth it.
  void checkpoint_if_due();
  // Why this connection serves no more: the disk failed, or the file is not what was written.
  // nullopt while it does.
  const std::optional<std::string>& broken() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// NULL for an absent value.
SqlValue sql(const std::optional<std::int64_t>& value);
SqlValue sql(const std::optional<std::string>& value);

}  // namespace sarsweep::coordinator
