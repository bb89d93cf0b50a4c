#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/load/coordinator_process.h"
#include "tests/load/simulated_worker.h"

namespace sarsweep::load {

struct CampaignOptions {
  std::filesystem::path coordinator;  // the program
  std::filesystem::path home;         // of the coordinator; a new folder
  int workers = 200;
  int runs = 10'000;  // a multiple of 100
  int seconds = 600;  // of the window in which latencies count
  int batches = 0;    // of one run; 0: as many as make the runs last for the whole time
  int restarts = 5;   // of the mode `restart`
  int threads = 32;   // of this program; below the connections one address may have
};

// The three loads. Each returns a summary of one line; what went wrong is said on standard error
// and in `faults`, and judged by correctness alone. Throws Error where the load cannot be made.
class Campaign {
 public:
  explicit Campaign(CampaignOptions options);
  ~Campaign();

  // 20,000 points a second, runs ending and being claimed all the while; then SIGKILL under load,
  // a restart, and the workers go on.
  std::string steady();
  // As many points as the coordinator takes, in batches of 250.
  std::string peak();
  // A database of runs * 1000 points, and how soon a killed coordinator answers over it.
  std::string restart();

  // Kills the coordinator, from any thread, before the program ends.
  void abandon() const { process_.abandon(); }

  const std::vector<std::string>& faults() const { return faults_; }

 private:
  struct Stage;
  double submit();
  void begin(Pace pace, std::chrono::milliseconds spread);
  void watch(std::chrono::seconds time);
  void finish_work();
  std::string audited();
  std::string restarted();
  std::string latency(Request request) const;
  client::ApiClient viewer() const;

  const CampaignOptions options_;
  CoordinatorProcess process_;
  Latencies latencies_;
  Ledger ledger_;
  double memory_mb_ = 0, cores_ = 0;  // of the coordinator in the window: the most, the mean
  std::vector<std::string> faults_;
  std::unique_ptr<Stage> stage_;
};

}  // namespace sarsweep::load
