#include "tests/load/audit.h"

#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "tests/load/points.h"

namespace sarsweep::load {
namespace {

using nlohmann::json;

constexpr int kThreads = 2;
constexpr std::size_t kMostFaults = 20;
constexpr const char* kLost = "sarsweep_attempts_total{end=\"lost\"} ";

// What is wrong with one series; empty if it has every acknowledged step once, nothing that was
// never sent, and the right values.
std::string fault_of(const json& series, const std::string& run_id, std::size_t key,
                     const Account& account) {
  std::int64_t step = 0;
  for (const json& point : series) {
    ++step;
    if (point.at(0) != step) {
      return fmt::format("step {} stands where {} belongs", point.at(0).dump(), step);
    }
    if (point.at(1).get<double>() != value_of(run_id, key, step)) {
      return fmt::format("step {} has the value {}", step, point.at(1).dump());
    }
    if (point.at(2) != account.epoch) {
      return fmt::format("step {} is of attempt {}", step, point.at(2).dump());
    }
  }
  if (step < account.acknowledged_steps || step > account.sent_steps) {
    return fmt::format("{} points are stored; {} were acknowledged, {} sent", step,
                       account.acknowledged_steps, account.sent_steps);
  }
  return {};
}

class Auditor {
 public:
  Auditor(const client::ApiClient& viewer, const Ledger& ledger) : viewer_(viewer) {
    for (auto& account : ledger.accounts()) accounts_.push_back(account);
  }

  Audit look() {
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kThreads; ++i) threads.emplace_back([this] { look_at_series(); });
    }
    look_at_ends();
    look_at_leases();
    return std::move(audit_);
  }

 private:
  void look_at_series() {
    for (std::size_t i = next_++; i < accounts_.size(); i = next_++) {
      const auto& [run_id, account] = accounts_[i];
      const auto reply = viewer_.get("/api/v1/runs/" + run_id + "/metrics",
                                     {{"all_attempts", "1"}, {"max_points", "0"}});
      if (!reply) {
        fault(run_id, reply.error().message);
        continue;
      }
      for (std::size_t key = 0; key < kKeys.size(); ++key) {
        const json series = reply->value(kKeys[key], json::array());
        const std::string what = fault_of(series, run_id, key, account);
        if (!what.empty()) fault(run_id, fmt::format("{}: {}", kKeys[key], what));
        count(series.size());
      }
    }
  }

  void look_at_ends() {
    std::map<std::string, Account> due(accounts_.begin(), accounts_.end());
    std::string after;
    for (json page; after.empty() || !page.empty();) {
      page = client::value_or_throw(
          viewer_.get("/api/v1/runs", {{"sweep", kSweep}, {"limit", "1000"}, {"after", after}}));
      for (const json& run : page) {
        after = run.at("id");
        const auto found = due.find(after);
        if (found == due.end()) continue;
        const bool wrong = found->second.finished &&
                           (run.at("state") != "done" || run.at("attempt") != found->second.epoch);
        if (wrong) {
          fault(after, fmt::format("is {} after attempt {}", run.at("state").dump(),
                                   run.at("attempt").dump()));
        }
        due.erase(found);
      }
    }
    for (const auto& [run_id, account] : due) fault(run_id, "is not among the sweep's runs");
    audit_.runs = static_cast<std::int64_t>(accounts_.size());
  }

  void look_at_leases() {
    const auto text = viewer_.get_bytes("/metrics");
    const std::size_t at = text ? text->find(kLost) : std::string::npos;
    if (at == std::string::npos) return fault("/metrics", "does not count the lost attempts");
    const char* digits = text->data() + at + std::string_view(kLost).size();
    std::from_chars(digits, text->data() + text->size(), audit_.lost_leases);
    if (audit_.lost_leases > 0) fault("leases", fmt::format("{} were lost", audit_.lost_leases));
  }

  void count(std::size_t points) {
    const std::lock_guard lock(mutex_);
    audit_.points += static_cast<std::int64_t>(points);
  }
  void fault(const std::string& run_id, const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (audit_.faults.size() < kMostFaults) {
      audit_.faults.push_back(fmt::format("run {}: {}", run_id, what));
    }
  }

  const client::ApiClient& viewer_;
  std::vector<std::pair<std::string, Account>> accounts_;
  std::atomic<std::size_t> next_ = 0;
  std::mutex mutex_;
  Audit audit_;
};

}  // namespace

Audit audit(const client::ApiClient& viewer, const Ledger& ledger) {
  return Auditor(viewer, ledger).look();
}

}  // namespace sarsweep::load
