#include "coordinator/store/database.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "coordinator/store/backup.h"
#include "schema/base/error.h"
#include "schema/base/guarded.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::size_t kBatch = 64;   // works to a commit, at most
constexpr std::size_t kReaders = 4;  // idle connections kept

// Shared by its caller and the writer: the caller may be gone before `set_value` returns.
struct Job {
  const std::function<void(Connection&)>* work = nullptr;
  std::promise<void> done;
  std::exception_ptr failure;
};

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

void run_batch(Connection& connection, std::vector<std::shared_ptr<Job>>& batch) {
  std::exception_ptr broken;
  try {
    connection.script("BEGIN IMMEDIATE");
    for (const auto& job : batch) run_job(connection, *job);
    connection.script("COMMIT");
  } catch (...) {
    broken = std::current_exception();
  }
  if (broken) {
    try {
      connection.script("ROLLBACK");
    } catch (const Error&) {  // SQLite has already rolled back by itself.
    }
  }
  for (const auto& job : batch) {
    if (job->failure || broken) {
      job->done.set_exception(job->failure ? job->failure : broken);
    } else {
      job->done.set_value();
    }
  }
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
  std::jthread thread;  // Last: it stops before what it uses goes.

  explicit Impl(const std::filesystem::path& path)
      : file(path), writer(path, Connection::Access::write) {}

  std::vector<std::shared_ptr<Job>> next_batch(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    ready.wait(lock, stop, [this] { return !urgent.empty() || !bulk.empty(); });
    std::vector<std::shared_ptr<Job>> batch;
    for (std::deque<std::shared_ptr<Job>>* queue : {&urgent, &bulk}) {
      while (!queue->empty() && batch.size() < kBatch) {
        batch.push_back(queue->front());
        queue->pop_front();
      }
    }
    return batch;
  }

  void serve(const std::stop_token& stop) {
    for (std::vector<std::shared_ptr<Job>> batch = next_batch(stop); !batch.empty();
         batch = next_batch(stop)) {
      run_batch(writer, batch);
    }
  }
};

Database::Database(const std::filesystem::path& file)
    : impl_(std::make_unique<Impl>(owners_alone(file))) {
  copy_before_migration(impl_->writer, file);
  migrate(impl_->writer);
  impl_->thread = std::jthread([this](const std::stop_token& stop) { impl_->serve(stop); });
}

Database::~Database() = default;

void Database::submit(Urgency urgency, const Work& work) {
  const auto job = std::make_shared<Job>();
  job->work = &work;
  std::future<void> done = job->done.get_future();
  {
    const std::lock_guard lock(impl_->mutex);
    (urgency == Urgency::state ? impl_->urgent : impl_->bulk).push_back(job);
  }
  impl_->ready.notify_one();
  done.get();
}

void Database::visit(const Work& work) const {
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
  connection->script("BEGIN");
  try {
    work(*connection);
  } catch (...) {
    connection->script("ROLLBACK");
    throw;
  }
  connection->script("COMMIT");
  impl_->readers.with([&](auto& idle) {
    if (idle.size() < kReaders) idle.push_back(std::move(connection));
  });
}

}  // namespace sarsweep::coordinator
