#pragma once

#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "schema/base/clock.h"
#include "tests/worker/fake_coordinator.h"
#include "worker/agent.h"

namespace sarsweep::worker {

// A folder that goes when the test does.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "sarsweep-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A worker with real trainer processes and short patience, and the coordinator it talks to.
class Workplace {
 public:
  Workplace() : coordinator((folder.path() / "store").string()) {}
  ~Workplace() { drain(); }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  AgentOptions options(int slots = 1) const {
    AgentOptions o;
    o.name = "w";
    o.home = folder.path() / "home";
    o.trainer = FAKE_TRAINER;
    for (int i = 0; i < slots; ++i) o.slots.push_back({i, "cpu"});
    o.threads = 2;
    using std::chrono::milliseconds;
    o.patience = {milliseconds(1500), milliseconds(5000), milliseconds(10)};
    o.ship_every = milliseconds(10);
    o.retry_first = milliseconds(5);
    o.retry_cap = milliseconds(50);
    o.drain_patience = milliseconds(300);
    return o;
  }
  void start(const AgentOptions& o) {
    agent = std::make_unique<Agent>(o, coordinator, system_clock());
    stop_ = std::stop_source();
    thread_ = std::jthread([this, token = stop_.get_token()] { agent->run(token); });
  }
  void start() { start(options()); }
  // Until the worker ends by itself.
  void await_end() {
    thread_.join();
    agent.reset();
  }
  // As SIGTERM to the worker.
  void drain() {
    stop_.request_stop();
    if (thread_.joinable()) thread_.join();
    agent.reset();
  }
  std::filesystem::path run_dir(const std::string& run, int epoch = 1) const {
    return folder.path() / "store" / "runs" / run / ("e" + std::to_string(epoch));
  }
  std::filesystem::path record(const std::string& run, int epoch = 1) const {
    return folder.path() / "home" / "worker-w" / "attempts" /
           (run + "-e" + std::to_string(epoch) + ".json");
  }
  bool await_file(const std::filesystem::path& file) {
    return coordinator.await([&] { return std::filesystem::exists(file); });
  }

  TempFolder folder;
  FakeCoordinator coordinator;
  std::unique_ptr<Agent> agent;

 private:
  std::stop_source stop_;
  std::jthread thread_;
};

}  // namespace sarsweep::worker
