#include "tests/load/coordinator_process.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <vector>

#include "coordinator/client/api_client.h"
#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/subprocess.h"
#include "tests/load/patience.h"

namespace sarsweep::load {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLongestStart(60);

std::string port_of(const std::string& url) { return url.substr(url.rfind(':') + 1); }

}  // namespace

CoordinatorProcess::CoordinatorProcess(fs::path program, fs::path home)
    : program_(std::move(program)), home_(std::move(home)) {}

CoordinatorProcess::~CoordinatorProcess() { kill(); }

void CoordinatorProcess::launch() {
  const fs::path ready = home_ / "ready.json";
  fs::remove(ready);
  SpawnOptions options;
  options.command = {program_.string(),
                     "--home",
                     home_.string(),
                     "--ready-file",
                     ready.string(),
                     "--port",
                     url_.empty() ? "0" : port_of(url_),
                     "--data-port",
                     data_url_.empty() ? "0" : port_of(data_url_)};
  options.output = options.errors = home_ / "coordinator.log";
  child_ = spawn(options);
}

void CoordinatorProcess::start() {
  fs::create_directories(home_);
  launch();
  const fs::path ready = home_ / "ready.json";
  await(kLongestStart, "the coordinator is ready", [&] {
    if (try_wait(child_)) {
      child_ = -1;
      throw Error(ErrorCode::internal,
                  "the coordinator ended: " + read_file(home_ / "coordinator.log"));
    }
    return fs::exists(ready);
  });
  const auto document = nlohmann::json::parse(read_file(ready));
  url_ = document.at("url");
  data_url_ = document.at("data_url");
}

double CoordinatorProcess::restart() {
  const auto began = std::chrono::steady_clock::now();
  launch();
  const client::ApiClient client(url_, "");
  await(kLongestStart, "the coordinator is ready again",
        [&] { return client.get("/readyz").has_value(); });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

void CoordinatorProcess::kill() {
  if (child_ < 0) return;
  ::kill(child_, SIGKILL);
  await(kLongestStart, "the coordinator is gone", [&] { return try_wait(child_).has_value(); });
  child_ = -1;
}

void CoordinatorProcess::abandon() const {
  if (child_ > 0) ::kill(child_, SIGKILL);
}

std::string CoordinatorProcess::token(const char* file) const {
  std::string token = read_file(home_ / file);
  while (!token.empty() && token.back() == '\n') token.pop_back();
  return token;
}

double CoordinatorProcess::memory_mb() const { return status_mb("VmRSS:"); }
double CoordinatorProcess::most_memory_mb() const { return status_mb("VmHWM:"); }

double CoordinatorProcess::status_mb(const std::string& field) const {
  std::ifstream in("/proc/" + std::to_string(child_.load()) + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(field)) return std::stod(line.substr(field.size())) * 1024 / 1e6;
  }
  return 0;
}

double CoordinatorProcess::cpu_seconds() const {
  std::ifstream in("/proc/" + std::to_string(child_.load()) + "/stat");
  std::string text;
  std::getline(in, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  constexpr int kBeforeTimes = 11;  // fields 3 to 13 of proc(5); utime and stime follow
  for (int i = 0; i < kBeforeTimes; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace sarsweep::load
