#include "coordinator/store/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "coordinator/store/backup.h"
#include "coordinator/store/reserve.h"
#include "schema/base/error.h"
#include "schema/base/guarded.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::size_t kBatch = 64;                   // works to a commit, at most
constexpr std::chrono::milliseconds kBatchTime(10);  // after which no further one joins it
constexpr std::size_t kReaders = 4;                  // idle connections kept

// Shared by its caller and the writer: the caller may be gone before `set_value` returns.
struct Job {
  const std::function<void(Connection&)>* work = nullptr;
  Urgency urgency = Urgency::bulk;
  std::promise<void> done;
  std::exception_ptr failure;
};
using Batch = std::vector<std::shared_ptr<Job>>;
using Joiner = std::function<std::shared_ptr<Job>()>;  // nullptr: nobody joins now

// Runs one work inside a savepoint; a failure undoes it and is kept for its caller.
void run_job(Connection& connection, Job& job) {
  connection.script("SAVEPOINT work");
  try {
    (*job.work)(connection);
  } catch (...) {
    job.failure = std::current_exception();
    connection.script("ROLLBACK TO work");
  }
  connection.script("RELEASE work");
}

// Works join a batch while it is being done, so that one that is urgent waits for a single one of
// the others. Returns why nothing of the batch is stored; null where it is, but for the works that
// failed.
std::exception_ptr commit_batch(Connection& connection, Batch& batch, const Joiner& join) {
  std::exception_ptr failure;
  try {
    connection.script("BEGIN IMMEDIATE");
    for (std::size_t i = 0; i < batch.size(); ++i) {
      run_job(connection, *batch[i]);
      if (i + 1 < batch.size()) continue;
      if (auto job = join()) batch.push_back(std::move(job));
    }
    connection.script("COMMIT");
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure && !connection.broken()) connection.roll_back();
  return failure;
}

bool is_full(const std::exception_ptr& failure) {
  try {
    if (failure) std::rethrow_exception(failure);
    return false;
  } catch (const Error& error) {
    return error.code() == ErrorCode::no_space;
  } catch (...) {
    return false;
  }
}

void tell(const Batch& batch, const std::exception_ptr& failure) {
  for (const auto& job : batch) {
    if (job->failure || failure) {
      job->done.set_exception(job->failure ? job->failure : failure);
    } else {
      job->done.set_value();
    }
  }
}

std::exception_ptr stopping(const std::string& reason) {
  return std::make_exception_ptr(Error(
      ErrorCode::busy,
      "the coordinator stops: " + reason + "; it has to be started again once the disk is sound"));
}

// What an older program left is kept as it was: a program of that age can go on with it.
void copy_before_migration(Connection& connection, const std::filesystem::path& file) {
  const std::int64_t have = connection.integer("PRAGMA user_version").value_or(0);
  if (have == 0 || have >= newest_schema()) return;
  const std::filesystem::path to =
      file.parent_path() / "backups" / ("before-schema-" + std::to_string(newest_schema()) + ".db");
  if (!std::filesystem::exists(to)) back_up(file, to);
}

// Makes the file if it is missing, and takes it from everybody else before SQLite gives -wal and
// -shm the same permissions. What fails here fails in SQLite, which says why.
const std::filesystem::path& owners_alone(const std::filesystem::path& file) {
  const int opened = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (opened < 0) return file;
  ::fchmod(opened, 0600);
  ::close(opened);
  return file;
}

}  // namespace

struct Database::Impl {
  std::filesystem::path file;
  Connection writer;
  std::mutex mutex;
  std::condition_variable_any ready;
  std::deque<std::shared_ptr<Job>> urgent, bulk;
  mutable Guarded<std::vector<std::unique_ptr<Connection>>> readers;
  Reserve reserve;
  struct Failure {
    std::optional<std::string> reason;
    std::function<void()> on_failure;
  };
  Guarded<Failure> failure;
  std::jthread thread;  // Last: it stops before what it uses goes.

  explicit Impl(const std::filesystem::path& path)
      : file(path),
        writer(path, Connection::Access::write),
        reserve(path.parent_path() / "reserve") {}

  // The first reason stays.
  void fail(const std::string& reason) {
    const std::function<void()> call = failure.with([&](Failure& known) -> std::function<void()> {
      if (known.reason) return {};
      known.reason = reason;
      return known.on_failure;
    });
    if (call) call();
  }
  void on_failure(std::function<void()> call) {
    const bool past = failure.with([&](Failure& known) {
      known.on_failure = call;
      return known.reason.has_value();
    });
    if (past) call();
  }
  std::optional<std::string> why() {
    return failure.with([](const Failure& known) { return known.reason; });
  }
  void require_sound() {
    if (const auto reason = why()) std::rethrow_exception(stopping(*reason));
  }

  // What is urgent first; nullptr where nothing waits.
  std::shared_ptr<Job> take() {
    for (std::deque<std::shared_ptr<Job>>* queue : {&urgent, &bulk}) {
      if (queue->empty()) continue;
      std::shared_ptr<Job> job = std::move(queue->front());
      queue->pop_front();
      return job;
    }
    return nullptr;
  }

  std::shared_ptr<Job> next(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    ready.wait(lock, stop, [this] { return !urgent.empty() || !bulk.empty(); });
    return take();
  }

  // A commit waits for no more than kBatchTime's worth of works.
  Joiner joiner(const Batch& batch) {
    const auto until = std::chrono::steady_clock::now() + kBatchTime;
    return [this, &batch, until]() -> std::shared_ptr<Job> {
      if (batch.size() == kBatch || std::chrono::steady_clock::now() > until) return nullptr;
      const std::lock_guard lock(mutex);
      return take();
    };
  }

  // Why nothing of the batch is stored. One whose commit failed with the disk may be found there by
  // the next start, or not: nobody is told that it is stored.
  std::exception_ptr attempt(Batch& batch, const Joiner& join) {
    if (const auto reason = why()) return stopping(*reason);
    std::exception_ptr failed = commit_batch(writer, batch, join);
    if (writer.broken()) {
      fail(*writer.broken());
      failed = stopping(*writer.broken());
    }
    if (failed) {
      for (const auto& job : batch) job->failure = nullptr;
    }
    return failed;
  }

  void run(Batch& batch) {
    const Joiner nobody = [] { return nullptr; };
    std::exception_ptr failed = attempt(batch, joiner(batch));
    if (is_full(failed)) {
      const auto bulk_begins =
          std::stable_partition(batch.begin(), batch.end(),
                                [](const auto& job) { return job->urgency == Urgency::state; });
      tell(Batch(bulk_begins, batch.end()), failed);
      const bool mixed = bulk_begins != batch.begin() && bulk_begins != batch.end();
      batch.erase(bulk_begins, batch.end());
      if (mixed) failed = attempt(batch, nobody);
      if (!batch.empty() && is_full(failed) && reserve.release()) failed = attempt(batch, nobody);
    }
    tell(batch, failed);
  }

  // After the answers: it may take a while.
  void checkpoint() {
    if (why()) return;
    try {
      writer.checkpoint_if_due();
    } catch (const Error&) {  // Without space it is tried again; the log grows meanwhile.
      if (writer.broken()) return fail(*writer.broken());
      writer.roll_back();
    }
  }

  void serve(const std::stop_token& stop) {
    for (std::shared_ptr<Job> job = next(stop); job; job = next(stop)) {
      Batch batch = {std::move(job)};
      run(batch);
      checkpoint();
    }
  }
};

Database::Database(const std::filesystem::path& file)
    : impl_(std::make_unique<Impl>(owners_alone(file))) {
  copy_before_migration(impl_->writer, file);
  migrate(impl_->writer);
  impl_->reserve.fill();
  impl_->thread = std::jthread([this](const std::stop_token& stop) { impl_->serve(stop); });
}

Database::~Database() = default;

void Database::refill_reserve() { impl_->reserve.fill(); }

std::optional<std::string> Database::failure() const { return impl_->why(); }

void Database::on_failure(std::function<void()> call) { impl_->on_failure(std::move(call)); }

void Database::submit(Urgency urgency, const Work& work) {
  const auto job = std::make_shared<Job>();
  job->work = &work;
  job->urgency = urgency;
  std::future<void> done = job->done.get_future();
  {
    const std::lock_guard lock(impl_->mutex);
    (urgency == Urgency::state ? impl_->urgent : impl_->bulk).push_back(job);
  }
  impl_->ready.notify_one();
  done.get();
}

void Database::visit(const Work& work) const {
  impl_->require_sound();
  std::unique_ptr<Connection> connection = impl_->readers.with([](auto& idle) {
    std::unique_ptr<Connection> taken;
    if (!idle.empty()) {
      taken = std::move(idle.back());
      idle.pop_back();
    }
    return taken;
  });
  if (!connection) {
    connection = std::make_unique<Connection>(impl_->file, Connection::Access::read);
  }
  try {
    connection->script("BEGIN");
    work(*connection);
    connection->script("COMMIT");
  } catch (...) {
    if (connection->broken()) {
      impl_->fail(*connection->broken());
      impl_->require_sound();
    }
    throw;  // and the connection with its transaction goes
  }
  impl_->readers.with([&](auto& idle) {
    if (idle.size() < kReaders) idle.push_back(std::move(connection));
  });
}

}  // namespace sarsweep::coordinator
