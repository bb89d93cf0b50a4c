#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <type_traits>

#include "coordinator/store/connection.h"

namespace sarsweep::coordinator {

// State changes are served before metric batches.
enum class Urgency { state, bulk };

// <home>/sarsweep.db: one thread owns the only writing connection and serves a queue, many works to
// a commit (synchronous FULL), each in its own savepoint: what throws leaves nothing behind.
// `write` returns after the commit is on disk. Readers use read-only connections of a pool. On a
// full disk (Error(no_space)) state changes are tried without the bulk, and then with the room that
// <home>/reserve keeps for them.
// Once the disk has failed under any of them, or the file was found damaged, nothing is written or
// read any more: Error(busy), and the process should end. Thread-safe.
class Database {
 public:
  // Opens and migrates. Throws Error: `invalid` for a schema newer than this program.
  explicit Database(const std::filesystem::path& file);
  ~Database();

  // Keeps room for state changes again, if it was needed and the disk has some to spare.
  void refill_reserve();

  // Why nothing is written or read any more; nullopt while all is well.
  std::optional<std::string> failure() const;
  // What is called then, once and from any thread; at once if that is past.
  void on_failure(std::function<void()> call);

  template <typename F>
  std::invoke_result_t<F&, Connection&> write(Urgency urgency, F&& work) {
    using Result = std::invoke_result_t<F&, Connection&>;
    if constexpr (std::is_void_v<Result>) {
      submit(urgency, work);
    } else {
      std::optional<Result> result;
      submit(urgency, [&](Connection& c) { result.emplace(work(c)); });
      return std::move(*result);
    }
  }

  // One consistent view of the last commit. The work must not call `write`.
  template <typename F>
  std::invoke_result_t<F&, Connection&> read(F&& work) const {
    using Result = std::invoke_result_t<F&, Connection&>;
    if constexpr (std::is_void_v<Result>) {
      visit(work);
    } else {
      std::optional<Result> result;
      visit([&](Connection& c) { result.emplace(work(c)); });
      return std::move(*result);
    }
  }

 private:
  using Work = std::function<void(Connection&)>;
  void submit(Urgency urgency, const Work& work);
  void visit(const Work& work) const;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Brings a database to the newest schema, one transaction a migration. Throws Error(invalid) if its
// user_version is newer.
void migrate(Connection& connection);

// The schema this program writes: the number of its migrations.
std::int64_t newest_schema();

}  // namespace sarsweep::coordinator
