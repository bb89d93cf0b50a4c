#include "tests/simulation/worker_stand_in.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/simulation/world.h"

namespace sarsweep::simulation {
namespace {

using coordinator::Coordinator;
using coordinator::DataOutcome;
using coordinator::FinishOutcome;

constexpr std::int64_t kBeatMs = 1000, kAskMs = 1500, kWorkMs = 1000, kShipMs = 700;

Checker::Attempt name_of(const LeaseKey& key) { return {key.run_id, key.lease_epoch}; }

}  // namespace

WorkerStandIn::WorkerStandIn(World& world, int number, int slots)
    : world_(world), number_(number), slots_(slots) {}

std::string WorkerStandIn::incarnation() const { return fmt::format("w{}-{}", number_, life_); }
bool WorkerStandIn::frozen() const { return world_.clock.now_ms() < frozen_until_ms_; }
std::function<bool()> WorkerStandIn::in_this_life() const {
  return [this, life = life_] { return alive_ && life_ == life; };
}

void WorkerStandIn::every(std::int64_t ms, std::function<void()> what) {
  world_.agenda.in(ms, [this, ms, what = std::move(what), here = in_this_life()] {
    if (!here()) return;
    if (!frozen()) what();
    every(ms, what);
  });
}

void WorkerStandIn::start() {
  alive_ = true;
  ++life_;
  id_.clear();
  nonce_.reset();
  world_.note(incarnation() + " starts");
  every(kBeatMs, [this] { id_.empty() ? join() : beat(); });
  every(kAskMs, [this] { ask(); });
  every(kWorkMs, [this] { work(); });
  every(kShipMs, [this] {
    for (const Trainer& trainer : std::vector<Trainer>(trainers_)) ship(trainer);
  });
}

void WorkerStandIn::die(bool with_trainers) {
  alive_ = false;
  if (with_trainers) trainers_.clear();
  world_.note(incarnation() + " dies");
}

void WorkerStandIn::freeze(std::int64_t ms) { frozen_until_ms_ = world_.clock.now_ms() + ms; }

void WorkerStandIn::break_trainer(int code) {
  if (trainers_.empty()) return;
  const Trainer& one =
      trainers_[static_cast<std::size_t>(world_.chance.below(static_cast<int>(trainers_.size())))];
  code == 0 ? one->kill() : one->crash(code);
}

void WorkerStandIn::join() {
  RegisterRequest request{.name = fmt::format("w{}", number_),
                          .incarnation = incarnation(),
                          .host = "h",
                          .threads = 1,
                          .slots = {}};
  for (int slot = 0; slot < slots_; ++slot) request.slots.push_back({slot, "cpu"});
  world_.call<RegisterReply>([request](Coordinator& core) { return core.register_worker(request); },
                             [this](const Heard<RegisterReply>& heard) {
                               if (const auto* reply = std::get_if<RegisterReply>(&heard))
                                 id_ = reply->worker_id;
                             },
                             in_this_life());
}

void WorkerStandIn::beat() {
  HeartbeatRequest request{id_, incarnation(), false, {}};
  for (const Trainer& trainer : trainers_) request.leases.push_back(trainer->key());
  world_.call<HeartbeatReply>([request](Coordinator& core) { return core.heartbeat(request); },
                              [this](const Heard<HeartbeatReply>& heard) {
                                if (const auto* reply = std::get_if<HeartbeatReply>(&heard))
                                  return obey(*reply);
                                if (std::get<ErrorCode>(heard) != ErrorCode::internal) id_.clear();
                              },
                              in_this_life());
}

void WorkerStandIn::obey(const HeartbeatReply& reply) {
  for (const OrderedRun& run : reply.runs) {
    for (const Trainer& trainer : std::vector<Trainer>(trainers_)) {
      const LeaseKey& key = trainer->key();
      if (key.run_id != run.run_id || key.lease_epoch != run.lease_epoch) continue;
      if (run.order == Order::pause || run.order == Order::cancel) trainer->stop();
      if (run.order == Order::kill) trainer->kill();
      if (run.order == Order::fenced) drop(trainer);
    }
  }
}

std::vector<int> WorkerStandIn::free_slots() const {
  std::vector<int> free;
  for (int slot = 0; slot < slots_; ++slot) {
    const bool used = std::any_of(trainers_.begin(), trainers_.end(), [&](const Trainer& trainer) {
      const std::vector<int>& own = trainer->grant().slots;
      return std::find(own.begin(), own.end(), slot) != own.end();
    });
    if (!used) free.push_back(slot);
  }
  return free;
}

// A question without an answer is asked again, under its nonce.
void WorkerStandIn::ask() {
  if (id_.empty()) return;
  if (!nonce_) {
    offered_ = free_slots();
    if (offered_.empty()) return;
    nonce_ = fmt::format("{}/{}", incarnation(), ++questions_);
  }
  const LeaseRequest request{id_, incarnation(), *nonce_, offered_};
  world_.call<LeaseReply>(
      [this, request](Coordinator& core) {
        LeaseReply reply = core.lease(request);
        for (const Grant& grant : reply.grants) {
          if (world_.checker.granted(name_of(grant.key), request.incarnation)) {
            world_.expect_legal(grant);
          }
        }
        return reply;
      },
      [this, nonce = *nonce_](const Heard<LeaseReply>& heard) {
        if (nonce_ != nonce) return;
        if (const auto* reply = std::get_if<LeaseReply>(&heard)) {
          nonce_.reset();
          take(*reply);
        } else if (std::get<ErrorCode>(heard) != ErrorCode::internal) {
          nonce_.reset();
          id_.clear();
        }
      },
      in_this_life());
}

void WorkerStandIn::take(const LeaseReply& reply) {
  for (const Grant& grant : reply.grants) {
    if (!known_.insert(name_of(grant.key)).second) continue;
    world_.note(fmt::format("{} takes {} e{}", incarnation(), grant.name, grant.key.lease_epoch));
    trainers_.push_back(
        std::make_shared<TrainerStandIn>(grant, world_.store(), world_.checkpoints));
  }
}

void WorkerStandIn::work() {
  for (const Trainer& trainer : trainers_) trainer->work();
}

void WorkerStandIn::drop(const Trainer& trainer) { std::erase(trainers_, trainer); }

void WorkerStandIn::give_up(const Trainer& trainer, ErrorCode code) {
  if (code == ErrorCode::fenced) drop(trainer);
}

void WorkerStandIn::ship(const Trainer& trainer) {
  const LeaseKey key = trainer->key();
  if (!trainer->told_started) {
    world_.call<bool>([key](Coordinator& core) { return core.started(key), true; },
                      [this, trainer](const Heard<bool>& heard) {
                        if (const auto* code = std::get_if<ErrorCode>(&heard))
                          return give_up(trainer, *code);
                        trainer->told_started = true;
                      },
                      in_this_life());
    return;
  }
  const auto size = static_cast<std::int64_t>(trainer->events().size());
  if (trainer->ended() && world_.chance.happens(0.1)) return finish(trainer);  // too early
  if (trainer->acknowledged < size) {
    const std::int64_t from = trainer->acknowledged;
    const std::string all = trainer->events();
    world_.call<DataOutcome>(
        [this, key, from, all](Coordinator& core) {
          const DataOutcome outcome = core.append_events(
              key, from, std::string_view(all).substr(static_cast<std::size_t>(from)));
          if (outcome.accepted) world_.checker.stored(name_of(key), outcome.stored, all);
          return outcome;
        },
        [this, trainer](const Heard<DataOutcome>& heard) {
          if (const auto* code = std::get_if<ErrorCode>(&heard)) return give_up(trainer, *code);
          trainer->acknowledged = std::get<DataOutcome>(heard).stored;
        },
        in_this_life());
  } else if (trainer->has_artifact() && !trainer->artifact_sent) {
    ship_artifact(trainer);
  } else if (trainer->ended()) {
    finish(trainer);
  }
}

void WorkerStandIn::ship_artifact(const Trainer& trainer) {
  world_.call<bool>([this, key = trainer->key(), content = trainer->artifact()](
                        Coordinator& core) { return world_.upload(core, key, content), true; },
                    [this, trainer](const Heard<bool>& heard) {
                      if (const auto* code = std::get_if<ErrorCode>(&heard))
                        return give_up(trainer, *code);
                      trainer->artifact_sent = true;
                    },
                    in_this_life());
}

// What a dead trainer wrote may be more than what was shipped, and what was asked may come too
// early: the coordinator says what it lacks.
void WorkerStandIn::finish(const Trainer& trainer) {
  const FinishRequest request{.key = trainer->key(),
                              .exit_code = trainer->exit_code(),
                              .signal = trainer->signal(),
                              .reason = "",
                              .event_bytes = static_cast<std::int64_t>(trainer->events().size()),
                              .log_bytes = 0};
  world_.call<FinishOutcome>(
      [this, request](Coordinator& core) {
        FinishOutcome outcome = core.finish(request);
        if (outcome.reply) world_.checker.finished(name_of(request.key));
        return outcome;
      },
      [this, trainer](const Heard<FinishOutcome>& heard) {
        if (const auto* code = std::get_if<ErrorCode>(&heard)) return give_up(trainer, *code);
        const FinishOutcome& outcome = std::get<FinishOutcome>(heard);
        if (outcome.reply) return drop(trainer);
        trainer->acknowledged = outcome.missing.at("event_bytes");
        trainer->artifact_sent = outcome.missing.at("artifacts").empty();
      },
      in_this_life());
}

}  // namespace sarsweep::simulation
