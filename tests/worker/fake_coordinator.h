#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/base/digest.h"
#include "worker/coordinator_api.h"

namespace sarsweep::worker {

// A coordinator in memory with the real one's rules for offsets, epochs, nonces and the finish
// barrier. Faults are switched on by tests. Thread-safe.
class FakeCoordinator final : public CoordinatorApi {
 public:
  struct Attempt {
    LeaseKey key;
    std::string events;
    std::string log;
    std::optional<FinishRequest> finish;
    int finishes = 0;
    bool started = false;
    Order order = Order::go_on;
    bool fenced = false;
  };

  explicit FakeCoordinator(std::string store) : store_(std::move(store)) {}

  // ---- what tests do ----
  void queue(const std::string& run_id, nlohmann::json fake, std::size_t slots = 1,
             const nlohmann::json& walltime = nullptr) {
    const std::lock_guard lock(mutex_);
    const nlohmann::json resources = {{"walltime", walltime}};
    queue_.push_back(
        {run_id,
         slots,
         {{"run_id", run_id}, {"config", {{"fake", std::move(fake)}, {"resources", resources}}}}});
  }
  // As if an earlier worker process had leased it: epoch 1, nothing stored but `events`.
  void grant_before(const std::string& run_id, const std::string& events = "") {
    const std::lock_guard lock(mutex_);
    attempts_[run_id].key = {run_id, 1, "token-" + run_id};
    attempts_[run_id].events = events;
  }
  void set_order(const std::string& run_id, Order order) {
    const std::lock_guard lock(mutex_);
    attempts_.at(run_id).order = order;
    if (order == Order::fenced) attempts_.at(run_id).fenced = true;
  }
  // Every n-th call is carried out, but its reply gets lost; 0: none.
  void lose_replies(int every) {
    const std::lock_guard lock(mutex_);
    lose_every_ = every;
  }
  void set_away(bool away) {
    const std::lock_guard lock(mutex_);
    away_ = away;
  }
  // While it is full, uploads are refused with no_space.
  void set_full(bool full) {
    const std::lock_guard lock(mutex_);
    full_ = full;
  }
  Attempt attempt(const std::string& run_id) {
    const std::lock_guard lock(mutex_);
    const auto found = attempts_.find(run_id);
    return found == attempts_.end() ? Attempt{} : found->second;
  }
  std::map<std::string, std::string> artifacts() {
    const std::lock_guard lock(mutex_);
    return artifacts_;
  }
  int grants() {
    const std::lock_guard lock(mutex_);
    return grants_;
  }
  // What the last heartbeat said of slots that are not offered.
  std::vector<RestingSlot> resting() {
    const std::lock_guard lock(mutex_);
    return resting_;
  }
  bool left() {
    const std::lock_guard lock(mutex_);
    return left_;
  }
  // Waits until `holds` is true of the coordinator's state; false after 30 s.
  bool await(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    std::unique_lock lock(wait_mutex_);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
    return true;
  }
  bool await_finish(const std::string& run_id) {
    return await([&] { return attempt(run_id).finish.has_value(); });
  }

  // ---- CoordinatorApi ----
  ApiResult<RegisterReply> register_worker(const RegisterRequest& request) override {
    return answer<RegisterReply>([&] {
      last_register = request;
      RegisterReply reply;
      reply.worker_id = "w1";
      reply.heartbeat_s = 0.05;
      reply.store = store_;
      reply.dismissed = dismissed;
      return ApiResult<RegisterReply>(reply);
    });
  }
  ApiResult<LeaseReply> lease(const LeaseRequest& request) override {
    return answer<LeaseReply>([&] {
      LeaseReply& reply = by_nonce_[request.nonce];
      if (!nonces_.insert(request.nonce).second) return ApiResult<LeaseReply>(reply);
      reply.retry_after_s = 0.05;
      std::vector<int> free = request.free_slots;
      while (!queue_.empty() && queue_.front().slots <= free.size()) {
        const auto [run_id, count, run_json] = queue_.front();
        queue_.erase(queue_.begin());
        const auto rest = free.begin() + static_cast<std::ptrdiff_t>(count);
        const std::vector<int> slots(free.begin(), rest);
        free.erase(free.begin(), rest);
        Attempt& attempt = attempts_[run_id];
        const std::int64_t epoch = attempt.key.lease_epoch + 1;
        attempt = Attempt{};
        attempt.key = {run_id, epoch, "token-" + run_id};
        reply.grants.push_back({attempt.key, "name-" + run_id, slots, run_json});
        ++grants_;
      }
      return ApiResult<LeaseReply>(reply);
    });
  }
  ApiResult<HeartbeatReply> heartbeat(const HeartbeatRequest& request) override {
    return answer<HeartbeatReply>([&] {
      resting_ = request.resting;
      HeartbeatReply reply;
      for (const LeaseKey& key : request.leases) {
        reply.runs.push_back({key.run_id, key.lease_epoch, attempts_[key.run_id].order});
      }
      return ApiResult<HeartbeatReply>(reply);
    });
  }
  ApiResult<Nothing> started(const LeaseKey& key) override {
    return guarded<Nothing>(key, [&](Attempt& attempt) {
      attempt.started = true;
      return ApiResult<Nothing>(Nothing{});
    });
  }
  ApiResult<FinishAnswer> finish(const FinishRequest& request) override {
    return guarded<FinishAnswer>(request.key, [&](Attempt& attempt) {
      ++attempt.finishes;
      FinishAnswer refused;
      for (const std::string& digest : wanted_artifacts) {
        if (!artifacts_.contains(digest)) refused.missing_artifacts.push_back(digest);
      }
      const bool complete =
          static_cast<std::int64_t>(attempt.events.size()) == request.event_bytes &&
          static_cast<std::int64_t>(attempt.log.size()) == request.log_bytes;
      if (!complete || !refused.missing_artifacts.empty()) return ApiResult<FinishAnswer>(refused);
      attempt.finish = request;
      return ApiResult<FinishAnswer>(FinishAnswer{true, RunState::done, {}});
    });
  }
  ApiResult<Nothing> leave(const std::string&, const std::string&) override {
    return answer<Nothing>([&] {
      left_ = true;
      return ApiResult<Nothing>(Nothing{});
    });
  }
  ApiResult<Appended> append_events(const LeaseKey& key, std::int64_t offset,
                                    std::string_view lines) override {
    return guarded<Appended>(key, [&](Attempt& a) { return append(a.events, offset, lines); });
  }
  ApiResult<Appended> append_log(const LeaseKey& key, std::int64_t offset,
                                 std::string_view bytes) override {
    return guarded<Appended>(key, [&](Attempt& a) { return append(a.log, offset, bytes); });
  }
  ApiResult<std::vector<std::string>> missing_artifacts(
      const LeaseKey& key, const std::vector<std::string>& sha256) override {
    return guarded<std::vector<std::string>>(key, [&](Attempt&) {
      std::vector<std::string> missing;
      for (const std::string& digest : sha256) {
        if (!artifacts_.contains(digest)) missing.push_back(digest);
      }
      return ApiResult<std::vector<std::string>>(missing);
    });
  }
  ApiResult<Nothing> put_artifact(const LeaseKey& key, const std::string& sha256,
                                  const std::filesystem::path& file) override {
    return guarded<Nothing>(key, [&](Attempt&) -> ApiResult<Nothing> {
      if (full_) return tl::unexpected(ApiFailure{ErrorCode::no_space, "the store is full"});
      artifacts_[sha256] = sha256_file(file);
      return Nothing{};
    });
  }

  RegisterRequest last_register;              // read after the worker has ended
  std::string dismissed;                      // what registrations are told; set before the start
  std::vector<std::string> wanted_artifacts;  // set before the worker starts

 private:
  template <typename T, typename F>
  ApiResult<T> answer(const F& function) {
    const auto lost = tl::unexpected(ApiFailure{ErrorCode::unreachable, "lost"});
    ApiResult<T> result = lost;
    {
      const std::lock_guard lock(mutex_);
      if (away_) return lost;
      result = function();
      if (lose_every_ > 0 && ++calls_ % lose_every_ == 0) result = lost;
    }
    changed_.notify_all();
    return result;
  }
  template <typename T, typename F>
  ApiResult<T> guarded(const LeaseKey& key, const F& function) {
    return answer<T>([&]() -> ApiResult<T> {
      Attempt& attempt = attempts_[key.run_id];
      if (attempt.fenced || attempt.key.lease_epoch != key.lease_epoch ||
          attempt.key.grant_token != key.grant_token) {
        return tl::unexpected(ApiFailure{ErrorCode::fenced, "not the current epoch"});
      }
      return function(attempt);
    });
  }
  static ApiResult<Appended> append(std::string& stored, std::int64_t offset,
                                    std::string_view bytes) {
    const bool fits = static_cast<std::int64_t>(stored.size()) == offset;
    if (fits) stored += bytes;
    return Appended{fits, static_cast<std::int64_t>(stored.size())};
  }

  const std::string store_;
  std::mutex mutex_;
  std::mutex wait_mutex_;
  std::condition_variable changed_;
  struct Queued {
    std::string run_id;
    std::size_t slots;
    nlohmann::json run_json;
  };
  std::vector<Queued> queue_;
  std::map<std::string, Attempt> attempts_;
  std::map<std::string, std::string> artifacts_;
  std::map<std::string, LeaseReply> by_nonce_;
  std::set<std::string> nonces_;
  int grants_ = 0;
  int lose_every_ = 0;
  int calls_ = 0;
  bool away_ = false;
  std::vector<RestingSlot> resting_;
  bool full_ = false;
  bool left_ = false;
};

}  // namespace sarsweep::worker
