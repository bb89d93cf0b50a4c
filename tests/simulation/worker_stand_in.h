#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "schema/base/error.h"
#include "tests/simulation/trainer_stand_in.h"

namespace sarsweep::simulation {

class World;

// A worker process and its trainers, as the coordinator meets them: registers, asks for runs under
// nonces, beats, ships what its trainers write, finishes, and repeats what stayed without an
// answer.
class WorkerStandIn {
 public:
  WorkerStandIn(World& world, int number, int slots);

  void start();
  // SIGKILL; the trainers go as well, or are taken over by the next process.
  void die(bool with_trainers);
  void freeze(std::int64_t ms);
  void thaw() { frozen_until_ms_ = 0; }
  bool alive() const { return alive_; }
  bool has_trainers() const { return !trainers_.empty(); }
  // One trainer fails by itself.
  void break_trainer(int code);

 private:
  using Trainer = std::shared_ptr<TrainerStandIn>;

  std::function<bool()> in_this_life() const;
  bool frozen() const;
  void every(std::int64_t ms, std::function<void()> what);  // while this process lives
  void join();
  void beat();
  void ask();
  void work();
  void ship(const Trainer& trainer);
  void ship_artifact(const Trainer& trainer);
  void finish(const Trainer& trainer);
  void obey(const HeartbeatReply& reply);
  void take(const LeaseReply& reply);
  void drop(const Trainer& trainer);
  void give_up(const Trainer& trainer, ErrorCode code);
  std::vector<int> free_slots() const;
  std::string incarnation() const;

  World& world_;
  int number_, slots_;
  int life_ = 0, questions_ = 0;
  bool alive_ = false;
  std::int64_t frozen_until_ms_ = 0;
  std::string id_;                    // empty: not registered in this life
  std::optional<std::string> nonce_;  // of the question under way
  std::vector<int> offered_;
  std::vector<Trainer> trainers_;
  std::set<std::pair<std::string, std::int64_t>> known_;
};

}  // namespace sarsweep::simulation
