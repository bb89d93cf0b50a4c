#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/coordinator.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {

// A clock that stands still until a test moves it.
class FakeClock final : public Clock {
 public:
  TimePoint steady() const override { return TimePoint(std::chrono::milliseconds(now_ms_)); }
  std::int64_t unix_ms() const override { return 1'700'000'000'000 + now_ms_ + wall_offset_ms_; }
  void advance(double seconds) { now_ms_ += static_cast<std::int64_t>(seconds * 1000); }
  void set_wall_back(double seconds) {
    wall_offset_ms_ -= static_cast<std::int64_t>(seconds * 1000);
  }

 private:
  std::int64_t now_ms_ = 1'000'000;
  std::int64_t wall_offset_ms_ = 0;
};

inline PlannedRun planned(const std::string& name, std::int64_t seed = 0) {
  PlannedRun run;
  run.name = run.cell = run.label = name;
  run.seed = seed;
  run.cell_hash = "cell-" + name;
  run.run_hash = "hash-" + name + std::to_string(seed);
  run.judge_hash = "judge";
  run.config = config::RunValues({{"data.path", "data"}, {"resources.retries", 1}});
  run.path_bases = config::Value(nlohmann::json{{"data.path", "/base"}});
  return run;
}

// What `call` is refused with; empty if it is not.
inline std::string refusal_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// A real coordinator on a temporary home. The sweep language is what the test puts into `sweep`.
class Bench {
 public:
  Bench() {
    std::string name = (std::filesystem::temp_directory_path() / "sarsweep-core-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error(ErrorCode::internal, "mkdtemp failed");
    folder = name;
    sweep.name = "demo";
    sweep.report = {"eval/kl_pooled"};
    open();
  }
  ~Bench() {
    core.reset();
    std::filesystem::remove_all(folder);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void open() {
    core.reset();
    const SweepLanguage language{[this](const SweepSource&) { return sweep; },
                                 [](const nlohmann::json&) {
                                   return nlohmann::json{{"name", "mini"}, {"hash", "p"}};
                                 }};
    core = std::make_unique<Coordinator>(CoordinatorOptions{.home = folder, .store = {}}, clock,
                                         shipped ? shipped_language() : language);
  }
  // A file in the shipped language.
  nlohmann::json submit_text(const std::string& text) {
    return core->submit({.text = text,
                         .file = "demo.yaml",
                         .dir = "/there",
                         .cwd = "/here",
                         .set = {},
                         .files = {},
                         .rerun = false,
                         .withdraw = true},
                        "", "alice", nullptr);
  }

  nlohmann::json submit(const std::string& key = "", bool rerun = false) {
    return core->submit({.text = "t",
                         .file = "f.yaml",
                         .dir = "",
                         .cwd = "",
                         .set = {},
                         .files = {},
                         .rerun = rerun,
                         .withdraw = true},
                        key, "alice", nullptr);
  }
  void add_worker(const std::string& name = "w", int slots = 1) {
    RegisterRequest request{
        .name = name, .incarnation = name + "-1", .host = "h", .threads = 1, .slots = {}};
    for (int i = 0; i < slots; ++i) request.slots.push_back({i, "cpu"});
    worker = core->register_worker(request).worker_id;
    incarnation = request.incarnation;
  }
  // Time passes, and the coordinator is at work all the while.
  void wait(double seconds) {
    for (; seconds > kRound; seconds -= kRound) {
      clock.advance(kRound);
      core->tick();
    }
    clock.advance(seconds);
    core->tick();
  }
  LeaseReply ask(const std::string& nonce, std::vector<int> slots = {0}) {
    return core->lease({worker, incarnation, nonce, std::move(slots)});
  }
  // The one grant there must be.
  Grant take() {
    LeaseReply reply = ask(fmt::format("n{}", ++nonces_));
    if (reply.grants.size() != 1) throw Error(ErrorCode::internal, "expected one grant");
    return reply.grants.front();
  }
  Grant start() {
    Grant grant = take();
    core->started(grant.key);
    return grant;
  }
  Order beat(const LeaseKey& key) {
    return core->heartbeat({worker, incarnation, false, {key}}).runs.front().order;
  }
  void ship(const LeaseKey& key, const std::string& lines) {
    const std::int64_t offset = sent_[key.run_id + std::to_string(key.lease_epoch)];
    const DataOutcome outcome = core->append_events(key, offset, lines);
    if (!outcome.accepted) throw Error(ErrorCode::internal, "not accepted");
    sent_[key.run_id + std::to_string(key.lease_epoch)] = outcome.stored;
  }
  FinishOutcome end(const LeaseKey& key, int code, int signal = 0) {
    return core->finish({.key = key,
                         .exit_code = code,
                         .signal = signal,
                         .reason = "",
                         .event_bytes = sent_[key.run_id + std::to_string(key.lease_epoch)],
                         .log_bytes = 0});
  }
  nlohmann::json run(const std::string& name) {
    return core->runs({.sweep = "demo", .study = "", .state = "", .selector = name, .after = ""})
        .at(0);
  }
  std::string state(const std::string& name) { return run(name)["state"]; }
  void verb(const std::string& name, Verb verb, bool from_scratch = false) {
    core->apply_verb(run(name)["id"], verb, from_scratch, "alice");
  }

  std::filesystem::path folder;
  FakeClock clock;
  bool shipped = false;  // the next open() takes the shipped language
  ExpandedSweep sweep;
  std::unique_ptr<Coordinator> core;
  std::string worker, incarnation;

 private:
  static constexpr double kRound = 2;

  int nonces_ = 0;
  std::map<std::string, std::int64_t> sent_;
};

}  // namespace sarsweep::coordinator
