#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ostream>
#include <utility>

#include "coordinator/cli/commands.h"
#include "schema/base/atomic_file.h"
#include "schema/base/json_text.h"
#include "schema/base/private_folder.h"
#include "schema/base/subprocess.h"

namespace sarsweep::cli {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr double kLookEvery = 0.1;  // seconds
constexpr seconds kStartLimit{60};
constexpr seconds kWorkerDrainLimit{180};  // a checkpoint's grace and the last uploads
constexpr seconds kCoordinatorDrainLimit{15};
constexpr seconds kShortestPause{1};
constexpr seconds kLongestPause{30};
constexpr seconds kCalm{60};  // after this long alive, a death is news again

// One program that is kept running.
class Child {
 public:
  explicit Child(std::string name) : name_(std::move(name)) {}

  void start(const std::vector<std::string>& arguments) {
    SpawnOptions options;
    options.command = {(program_folder() / name_).string()};
    options.command.insert(options.command.end(), arguments.begin(), arguments.end());
    options.isolation = SpawnOptions::Isolation::group;  // Ctrl-C is for us to pass on, in order.
    pid_ = spawn(options);
    started_ = steady_clock::now();
  }
  // How it ended, once, if it has just been found to have.
  std::optional<ExitStatus> look() {
    if (pid_ == 0) return std::nullopt;
    const auto status = try_wait(pid_);
    if (!status) return std::nullopt;
    pid_ = 0;
    if (steady_clock::now() - started_ > kCalm) pause_ = kShortestPause;
    restart_at_ = steady_clock::now() + pause_;
    pause_ = std::min(kLongestPause, pause_ * 2);
    return status;
  }
  bool is_due() const { return pid_ == 0 && steady_clock::now() >= restart_at_; }
  void signal_it(int number) const {
    if (pid_ != 0) kill(pid_, number);
  }
  pid_t pid() const { return pid_; }
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  pid_t pid_ = 0;
  steady_clock::time_point started_;
  steady_clock::time_point restart_at_;
  seconds pause_ = kShortestPause;
};

std::string how(const ExitStatus& status) {
  return status.signal != 0 ? fmt::format("by signal {}", status.signal)
                            : fmt::format("with code {}", status.code);
}

int port_of(const std::string& url) { return std::stoi(url.substr(url.rfind(':') + 1)); }

// The coordinator and the worker of one machine.
class Household {
 public:
  Household(Session& session, const UpOptions& options)
      : session_(session), options_(options), home_(fs::absolute(session.preferences().home)) {}

  Exit run() {
    make_private_folder(home_);
    start_coordinator();
    if (!await_ready()) {
      stop(coordinator_, kCoordinatorDrainLimit);
      return session_.stop().stop_requested() ? Exit::ok : Exit::failed;
    }
    if (options_.workers.value_or(1) != 0) start_worker();
    announce();
    do {
      tend();
    } while (wait_a_moment());
    session_.err() << "stopping: runs save a checkpoint first\n";
    stop(worker_, kWorkerDrainLimit);
    stop(coordinator_, kCoordinatorDrainLimit);
    return Exit::ok;
  }

 private:
  fs::path ready_note() const { return home_ / "coordinator.ready"; }

  bool wait_a_moment() { return session_.pause_for(kLookEvery); }

  void start_coordinator() {
    std::error_code absent;
    fs::remove(ready_note(), absent);
    std::vector<std::string> arguments = {"--home",       home_.string(),
                                          "--port",       std::to_string(port_),
                                          "--data-port",  std::to_string(data_port_),
                                          "--ready-file", ready_note().string()};
    if (ready_.is_null()) arguments[3] = std::to_string(options_.port);
    if (!options_.store.empty()) {
      arguments.insert(arguments.end(), {"--store", fs::absolute(options_.store).string()});
    }
    if (options_.no_auth) arguments.emplace_back("--no-auth");
    coordinator_.start(arguments);
  }

  // True once the coordinator serves. A first start that fails is final; a later one is repeated.
  bool await_ready() {
    const auto deadline = steady_clock::now() + kStartLimit;
    while (!fs::exists(ready_note())) {
      if (const auto status = coordinator_.look()) {
        session_.err() << "the coordinator ended " << how(*status) << " before it was ready\n";
        return false;
      }
      if (steady_clock::now() >= deadline) {
        session_.err() << "the coordinator was not ready within 60 s\n";
        return false;
      }
      if (!wait_a_moment()) return false;
    }
    ready_ = parse_json(read_file(ready_note()), ready_note().string());
    // A restart serves the same addresses, whatever ports the system had chosen.
    port_ = port_of(ready_.at("url"));
    data_port_ = port_of(ready_.at("data_url"));
    told_ = false;
    return true;
  }

  void start_worker() {
    std::vector<std::string> arguments = {
        "--url",  ready_.at("url"), "--data-url",   ready_.at("data_url"),
        "--home", home_.string(),   "--token-file", ready_.at("worker_token_file")};
    if (options_.workers)
      arguments.insert(arguments.end(), {"--workers", std::to_string(*options_.workers)});
    worker_.start(arguments);
    told_ = false;
  }

  // On a full disk once there is space again.
  void tell() {
    try {
      write_ready_file();
      told_ = true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::no_space) throw;
    }
  }

  void announce() {
    tell();
    const std::string url = ready_.at("url");
    const json code = ready_.value("login_code", json());
    const bool login = code.is_string() && !code.get<std::string>().empty();
    session_.out() << url << (login ? "/#login=" + code.get<std::string>() : "") << std::endl;
    session_.err() << "open the address above in a browser" << (login ? " (it logs in once)" : "")
                   << "; Ctrl-C saves and stops\n";
  }

  void write_ready_file() const {
    if (options_.ready_file.empty()) return;
    const json document = {{"url", ready_.at("url")},
                           {"data_url", ready_.at("data_url")},
                           {"pid", getpid()},
                           {"coordinator_pid", coordinator_.pid()},
                           {"worker_pid", worker_.pid() == 0 ? json() : json(worker_.pid())},
                           {"token_file", ready_.value("token_file", json())}};
    write_file_atomically(options_.ready_file, document.dump(2) + "\n");
  }

  void tend() {
    for (Child* child : {&coordinator_, &worker_}) {
      if (const auto status = child->look()) {
        session_.err() << child->name() << " ended " << how(*status) << "; starting it again\n";
      }
    }
    if (coordinator_.is_due()) {
      start_coordinator();
      await_ready();
    }
    if (options_.workers.value_or(1) != 0 && worker_.is_due()) start_worker();
    if (!told_) tell();
  }

  void stop(Child& child, seconds limit) {
    child.signal_it(SIGTERM);
    const auto deadline = steady_clock::now() + limit;
    while (child.pid() != 0 && !child.look()) {
      if (steady_clock::now() >= deadline) child.signal_it(SIGKILL);
      pause();
    }
  }

  // The stop was asked for already: it must not end this wait.
  static void pause() {
    const timespec moment{0, std::chrono::nanoseconds(milliseconds(50)).count()};
    nanosleep(&moment, nullptr);
  }

  Session& session_;
  const UpOptions& options_;
  const fs::path home_;
  int port_ = 0;
  int data_port_ = 0;
  bool told_ = false;
  json ready_;
  Child coordinator_{"sarsweep-coordinator"};
  Child worker_{"sarsweep-worker"};
};

}  // namespace

Exit up(Session& session, const UpOptions& options) { return Household(session, options).run(); }

}  // namespace sarsweep::cli
