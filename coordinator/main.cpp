#include <fmt/format.h>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <mutex>
#include <thread>

#include <CLI/CLI.hpp>

#include "coordinator/core/coordinator.h"
#include "coordinator/core/restore.h"
#include "coordinator/http/server.h"
#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/log.h"
#include "schema/base/shutdown_signal.h"

namespace {

using namespace sarsweep;
using namespace sarsweep::coordinator;

struct Options {
  std::string home = ".sarsweep";
  std::string store;
  std::string ready_file;
  std::string restore;
  ServerOptions server;
  bool no_auth = false;
  bool behind_proxy = false;
  std::string public_url, public_data_url;
  CoordinatorOptions core;
  SlurmOptions slurm;
  double slurm_poll_s = 15;
};

void declare(CLI::App& app, Options& options) {
  app.add_option("--home", options.home, "Folder of the database and the tokens")
      ->envname("SARSWEEP_HOME");
  app.add_option("--store", options.store, "Folder all workers see (default: HOME/store)");
  app.add_option("--host", options.server.host,
                 "Address to listen on; one that other machines reach needs --behind-proxy");
  app.add_option("--port", options.server.port, "Port of the API and the dashboard; 0: any");
  app.add_option("--data-port", options.server.data_port, "Port for the workers' data; 0: any");
  app.add_flag("--behind-proxy", options.behind_proxy,
               "A proxy that speaks TLS stands in front, and nobody else reaches --host");
  app.add_option("--public-url", options.public_url,
                 "Where people and workers reach that proxy, such as https://sar.example");
  app.add_option("--public-data-url", options.public_data_url,
                 "Where workers reach it for the data port (default: --public-url)");
  app.add_option("--ready-file", options.ready_file, "Written as JSON when requests are served");
  app.add_option("--restore", options.restore,
                 "Put this backup in place of the database, and exit");
  app.add_flag("--no-auth", options.no_auth,
               "Serve without tokens: anyone on this machine may do anything");
  app.add_option("--heartbeat", options.core.heartbeat_s, "Seconds between a worker's heartbeats");
  app.add_option("--lease", options.core.lease_s, "Seconds a lease lasts without a heartbeat");
  app.add_option("--regrant", options.core.regrant_after_s,
                 "Seconds until a lost run is granted again");
  app.add_option("--restart-grace", options.core.restart_grace_s,
                 "Least seconds a lease gets after a restart");
  app.add_option("--cancel-grace", options.core.cancel_grace_s,
                 "Seconds until a cancelling run is killed");
  app.add_option("--slurm-poll", options.slurm_poll_s,
                 "Seconds between two looks at the jobs of Slurm pools")
      ->check(CLI::PositiveNumber);
  app.add_option("--slurm-limit", options.slurm.limit_s,
                 "Seconds that one of Slurm's commands may take");
  app.add_option("--slurm-doubt", options.slurm.doubt_s,
                 "Seconds a job is looked for whose sbatch got no reply");
  app.add_option("--slurm-vanish", options.slurm.vanish_s,
                 "Seconds until a job that squeue no longer shows has ended");
}

void name_proxy(Options& options) {
  if (options.public_url.empty()) {
    if (options.public_data_url.empty()) return;
    throw Error(ErrorCode::invalid, "--public-data-url needs --public-url");
  }
  ServerOptions& server = options.server;
  server.public_address = parse_public_address(options.public_url, "--public-url");
  server.public_data_address =
      options.public_data_url.empty()
          ? server.public_address
          : parse_public_address(options.public_data_url, "--public-data-url");
}

void prepare(Options& options) {
  const std::string& host = options.server.host;
  const bool loopback = host == "127.0.0.1" || host == "::1" || host == "localhost";
  if (!loopback && !options.behind_proxy) {
    throw Error(ErrorCode::invalid,
                "--host " + host +
                    " is not a loopback address: put a TLS proxy in front of 127.0.0.1, say "
                    "--behind-proxy where it stands on another machine, or tunnel with ssh -L");
  }
  if (options.no_auth && (!loopback || !options.public_url.empty())) {
    throw Error(ErrorCode::invalid, "--no-auth is for this machine alone: not behind a proxy");
  }
  name_proxy(options);
  if (options.no_auth) options.server.authentication = Authentication::off;
  options.core.home = std::filesystem::absolute(options.home);
  options.core.store = options.store.empty() ? options.core.home / "store"
                                             : std::filesystem::absolute(options.store);
}

// HOME/url, where commands with the same home find this coordinator.
class AddressNote {
 public:
  AddressNote(const Options& options, const HttpServer& server)
      : file_(options.core.home / "url"), text_(server.url() + "\n") {}

  // Until it stands there: a full disk keeps nobody from serving.
  void write() {
    if (written_) return;
    try {
      write_file_atomically(file_, text_);
      written_ = true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::no_space) throw;
    }
  }

 private:
  std::filesystem::path file_;
  std::string text_;
  bool written_ = false;
};

void announce(const Options& options, const HttpServer& server, Identity& identity) {
  const std::string code = identity.new_login_code();
  if (!options.ready_file.empty()) {
    const nlohmann::json ready = {{"url", server.url()},
                                  {"data_url", server.data_url()},
                                  {"pid", ::getpid()},
                                  {"token_file", identity.token_file().string()},
                                  {"worker_token_file", identity.worker_token_file().string()},
                                  {"login_code", code}};
    write_file_atomically(options.ready_file, ready.dump(2) + "\n", FileMode::secret);
  }
  fmt::print("dashboard: {}/#login={}\n", server.public_url(), code);
  std::fflush(stdout);
}

int restore(const Options& options) {
  const RestoreSummary done = restore_backup(options.core, options.restore, system_clock());
  fmt::print("restored {}: sweeps {}, runs {}, points {}\n", options.restore, done.backup.sweeps,
             done.backup.runs, done.backup.points);
  if (done.requeued > 0) {
    fmt::print(
        "{} runs were held by a worker when it was made; they go on from their newest "
        "checkpoint, or stay paused or cancelled as was asked\n",
        done.requeued);
  }
  if (done.missing_files > 0) {
    fmt::print("{} samples and results it names are not in {}\n", done.missing_files,
               options.core.store.string());
  }
  fmt::print("undo: sarsweep restore {}\n", (done.aside / "sarsweep.db").string());
  return 0;
}

// `work` again and again, `pause` between, until it is told to stop.
void keep_at(const std::stop_token& stop, const char* name, std::chrono::milliseconds pause,
             const std::function<void()>& work) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    try {
      work();
    } catch (const std::exception& error) {
      spdlog::error("{}: {}", name, printable(error.what()));
    }
    wake.wait_for(lock, stop, pause, [] { return false; });
  }
}

std::size_t resident_bytes() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;  // the second number; proc(5)
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Hands free memory back to the system once more has been taken. The library keeps what a sweep of
// ten thousand runs needed to be expanded, and that for each of the threads' arenas.
class MemoryBroom {
 public:
  void sweep() {
    constexpr std::size_t kGrowth = 32U << 20U;
    if (resident_bytes() < kept_ + kGrowth) return;
    ::malloc_trim(0);
    kept_ = resident_bytes();
  }

 private:
  std::size_t kept_ = resident_bytes();
};

}  // namespace

// Everything that exists is named here, in the order it is built, and is torn down in reverse.
int main(int argc, char** argv) try {
  ShutdownSignal shutdown;  // First: threads started later inherit its signal mask.
  Options options;
  CLI::App app("Owns the database and the queue; serves the API and the dashboard.",
               "sarsweep-coordinator");
  declare(app, options);
  CLI11_PARSE(app, argc, argv);
  prepare(options);
  if (!options.restore.empty()) return restore(options);
  start_log("sarsweep-coordinator");

  Coordinator coordinator(options.core, system_clock(), options.slurm);
  coordinator.on_failure([&shutdown] { shutdown.request_stop(); });
  Identity identity(options.core.home, system_clock());
  HttpServer server(coordinator, identity, options.server);
  AddressNote note(options, server);
  note.write();
  const std::jthread time([&](const std::stop_token& stop) {
    keep_at(stop, "tick", std::chrono::seconds(1), [&] { coordinator.tick(); });
  });
  const std::jthread broom([&](const std::stop_token& stop) {
    MemoryBroom memory;
    keep_at(stop, "tidy", std::chrono::seconds(5), [&] {
      note.write();
      memory.sweep();
      coordinator.tidy();
    });
  });
  const auto poll =
      std::chrono::milliseconds(static_cast<std::int64_t>(options.slurm_poll_s * 1000));
  const std::jthread pools([&](const std::stop_token& stop) {
    keep_at(stop, "slurm", poll, [&] { coordinator.tend_slurm(stop); });
  });
  announce(options, server, identity);
  server.run(shutdown.token());
  if (const auto failure = coordinator.failure()) {
    throw Error(ErrorCode::internal, *failure + "; look at the disk, then start it again");
  }
  return 0;
} catch (const sarsweep::Error& error) {
  std::cerr << "sarsweep-coordinator: error: " << error.what() << '\n';
  return error.code() == sarsweep::ErrorCode::invalid ? 2 : 1;
} catch (const std::exception& error) {
  std::cerr << "sarsweep-coordinator: internal error: " << error.what() << '\n';
  return 1;
}
