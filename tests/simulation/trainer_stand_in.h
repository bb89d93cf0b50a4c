#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schema/protocol/messages.h"
#include "tests/simulation/agenda.h"

namespace sarsweep::simulation {

inline constexpr int kStepsBetweenCheckpoints = 3;

// How many updates a run has, and the value of its one metric: what an undisturbed training would
// write, whatever happens to this one.
std::int64_t steps_of(const std::string& run_name);
double value_of(const std::string& run_name, std::int64_t step);

// The checkpoints that lie in the artifact store. Their paths hold random ids: what is chosen among
// them is chosen by the order in which they came.
class Checkpoints {
 public:
  void save(const std::string& path) {
    if (places_.try_emplace(path, whole_.size()).second) whole_.push_back(true);
    whole_[places_.at(path)] = true;
  }
  bool is_whole(const std::string& path) const {
    const auto place = places_.find(path);
    return place != places_.end() && whole_[place->second];
  }
  void damage_one(Chance& chance) {
    if (!whole_.empty()) {
      whole_[static_cast<std::size_t>(chance.below(static_cast<int>(whole_.size())))] = false;
    }
  }

 private:
  std::map<std::string, std::size_t> places_;
  std::vector<bool> whole_;
};

// A trainer as its worker sees it: a process that appends lines to a file and ends with a code. One
// call of `work` is one update.
class TrainerStandIn {
 public:
  TrainerStandIn(Grant grant, const std::string& store, Checkpoints& checkpoints);

  const LeaseKey& key() const { return grant_.key; }
  const Grant& grant() const { return grant_; }
  bool ended() const { return exit_code_ || signal_ != 0; }
  int exit_code() const { return exit_code_.value_or(0); }
  int signal() const { return signal_; }
  const std::string& events() const { return events_; }
  // The artifact its sample event names.
  std::string artifact() const;
  bool has_artifact() const { return sampled_; }

  void work();
  void stop() { stopping_ = true; }  // SIGTERM: a checkpoint at the next update, then 143
  void kill() {
    if (!ended()) signal_ = 9;
  }
  void crash(int code) {
    if (!ended()) exit_code_ = code;
  }

  // ---- the worker's notes about it ----
  bool told_started = false;
  std::int64_t acknowledged = 0;  // bytes of events
  bool artifact_sent = false;

 private:
  void write(const nlohmann::json& event) { events_ += event.dump() + "\n"; }
  void save();

  Grant grant_;
  std::string folder_;
  Checkpoints& checkpoints_;
  std::int64_t step_ = 0;
  std::string events_;
  std::optional<int> exit_code_;
  int signal_ = 0;
  bool stopping_ = false, sampled_ = false;
};

}  // namespace sarsweep::simulation
