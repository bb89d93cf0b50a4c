#include "coordinator/core/leasing.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "coordinator/core/holding.h"
#include "coordinator/core/readiness.h"
#include "coordinator/core/run_document.h"
#include "coordinator/core/scheduler.h"
#include "coordinator/core/slurm_pools.h"
#include "coordinator/core/worker_look.h"
#include "coordinator/store/hold_store.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxSlots = 1024;
constexpr std::size_t kMaxText = 200;

void require_short(const std::string& text, const char* field) {
  if (text.empty() || text.size() > kMaxText) {
    throw Error(ErrorCode::invalid, fmt::format("{} needs 1 to {} characters", field, kMaxText),
                field);
  }
}

std::string save_worker(Core& core, Connection& connection, const RegisterRequest& request) {
  WorkerStore workers(connection);
  if (const std::optional<WorkerRow> old = workers.find_name(request.name)) {
    const bool replaced = request.slurm_job && SlurmStore(connection).is_of_a_job(old->id);
    if (is_live(core, *old) && old->host != request.host && !replaced) {
      throw Error(ErrorCode::conflict,
                  fmt::format("a worker named '{}' lives on {}; choose another --name",
                              request.name, old->host),
                  "name");
    }
  }
  const std::string uid = workers.save({.uid = "w" + random_hex(6),
                                        .name = request.name,
                                        .incarnation = request.incarnation,
                                        .host = request.host,
                                        .threads = request.threads,
                                        .slots = slots_text(request.slots),
                                        .last_seen_ms = core.now_ms()});
  const std::int64_t id = workers.find_uid(uid)->id;
  core.leases.heard(id, core.clock.steady());
  admit(connection, request, id);
  return uid;
}

WorkerRow known_worker(Core& core, Connection& connection, const std::string& uid,
                       const std::string& incarnation) {
  const std::optional<WorkerRow> worker = WorkerStore(connection).find_uid(uid);
  if (!worker)
    throw Error(ErrorCode::not_found, "no worker has the id '" + uid + "'; register again");
  if (worker->incarnation != incarnation) {
    throw Error(
        ErrorCode::conflict,
        "worker " + worker->name + " was started again elsewhere; this process is superseded");
  }
  core.leases.heard(worker->id, core.clock.steady());
  return *worker;
}

std::vector<Slot> offered_slots(Connection& connection, const WorkerRow& worker,
                                const LeaseRequest& request) {
  std::vector<Slot> slots = free_slots(connection, worker);
  slots.erase(std::remove_if(slots.begin(), slots.end(),
                             [&](const Slot& slot) {
                               return std::find(request.free_slots.begin(),
                                                request.free_slots.end(),
                                                slot.index) == request.free_slots.end();
                             }),
              slots.end());
  return slots;
}

// The queue in its order, without what is held, until `visit` returns false.
void each_candidate(Connection& connection, const std::function<bool(const Candidate&)>& visit) {
  const std::set<std::int64_t> held = HoldStore(connection).held();
  RunStore(connection).each_queued([&](const QueuedRun& run) {
    if (held.contains(run.sweep)) return true;
    return visit({run.id, run.priority, run.sweep, run.position, run.slots, run.device, run.vram});
  });
}

std::vector<Assignment> planned(Connection& connection, std::vector<Slot> free) {
  GrantPlan plan(std::move(free));
  if (plan.full()) return {};
  each_candidate(connection, [&](const Candidate& candidate) {
    plan.offer(candidate);
    return !plan.full();
  });
  return plan.grants();
}

// One grant; nullopt if the run cannot even be described, which ends the attempt and fails the run.
std::optional<Grant> grant(Core& core, Connection& connection, const WorkerRow& worker,
                           const Assignment& assignment) {
  RunStore runs(connection);
  RunRow run = runs.need(assignment.run);
  const std::int64_t epoch = runs.next_epoch(run);
  runs.move(run, {.to = RunState::leased,
                  .actor = worker.name,
                  .reason = fmt::format("attempt {} on {}", epoch, worker.name),
                  .now_ms = core.now_ms()});
  AttemptRow attempt{.run = run.id,
                     .epoch = epoch,
                     .worker = worker.id,
                     .worker_name = worker.name,
                     .incarnation = worker.incarnation,
                     .slots = json(assignment.slots).dump(),
                     .granted_ms = core.now_ms()};
  try {
    RunDocument document = document_of(core, connection, run);
    attempt.resume_step = document.resume_step;
    AttemptStore(connection).insert(attempt);
    core.leases.set(run.id, core.after(core.options.regrant_after_s));
    const std::string token = grant_token(core.incarnation, run.uid, epoch, worker.incarnation);
    return Grant{{run.uid, epoch, token}, run.name, assignment.slots, std::move(document.run_json)};
  } catch (const Error& error) {
    const bool of_the_run = error.code() == ErrorCode::invalid ||
                            error.code() == ErrorCode::not_found ||
                            error.code() == ErrorCode::conflict;
    if (!of_the_run) throw;
    AttemptStore(connection).insert(attempt);
    Holding holding{run, attempt};
    conclude(core, connection, holding,
             {AttemptEnd::spec_error, RunState::failed, Charge::none, 0, error.what()});
    return std::nullopt;
  }
}

// A reply is kept without its tokens, which can be made again.
std::string kept(LeaseReply reply) {
  for (Grant& grant : reply.grants) grant.key.grant_token.clear();
  return json(reply).dump();
}

LeaseReply given_again(const Core& core, const WorkerRow& worker, const std::string& text) {
  auto reply = json::parse(text).get<LeaseReply>();
  for (Grant& grant : reply.grants) {
    grant.key.grant_token =
        grant_token(core.incarnation, grant.key.run_id, grant.key.lease_epoch, worker.incarnation);
  }
  return reply;
}

LeaseReply answer(Core& core, Connection& connection, const LeaseRequest& request, bool room) {
  const WorkerRow worker = known_worker(core, connection, request.worker_id, request.incarnation);
  WorkerStore workers(connection);
  if (const auto old = workers.find_reply(worker, request.nonce)) {
    return given_again(core, worker, *old);
  }
  LeaseReply reply;
  if (worker.drain != Drain::none) reply.drained_by = worker.drained_by;
  if (room && worker.takes_runs()) {
    const std::vector<Slot> free = offered_slots(connection, worker, request);
    for (const Assignment& assignment : planned(connection, free)) {
      std::optional<Grant> made = grant(core, connection, worker, assignment);
      if (made) reply.grants.push_back(std::move(*made));
    }
  }
  workers.save_reply(worker, request.nonce, kept(reply), core.now_ms());
  return reply;
}

Order order_for(Core& core, const WorkerRow& worker, const RunRow& run) {
  if (run.state == RunState::pausing) return Order::pause;
  if (run.state != RunState::cancelling) {
    return worker.drain == Drain::now ? Order::drain : Order::go_on;
  }
  const auto grace_ms = static_cast<std::int64_t>(core.options.cancel_grace_s * 1000);
  return core.now_ms() - run.state_ms >= grace_ms ? Order::kill : Order::cancel;
}

Order renewed(Core& core, Connection& connection, const WorkerRow& worker, const LeaseKey& key) {
  try {
    const Holding holding = hold(core, connection, key);
    if (holding.attempt.end) return Order::kill;
    return order_for(core, worker, holding.run);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::fenced) throw;
    return Order::fenced;
  }
}

}  // namespace

std::vector<Candidate> queue_in_order(Connection& connection) {
  std::vector<Candidate> order;
  each_candidate(connection, [&](const Candidate& candidate) {
    order.push_back(candidate);
    return true;
  });
  return order;
}

RegisterReply register_worker(Core& core, const RegisterRequest& request) {
  require_short(request.name, "name");
  require_short(request.incarnation, "incarnation");
  if (request.slots.empty() || request.slots.size() > kMaxSlots) {
    throw Error(ErrorCode::invalid, fmt::format("a worker needs 1 to {} slots", kMaxSlots),
                "slots");
  }
  return core.database.write(Urgency::state, [&](Connection& c) {
    RegisterReply reply{.worker_id = {},
                        .heartbeat_s = core.options.heartbeat_s,
                        .lease_s = core.options.lease_s,
                        .store = core.options.store.string(),
                        .cache = (core.options.home / "cache").string(),
                        .dismissed = why_dismissed(c, request)};
    if (reply.dismissed.empty()) reply.worker_id = save_worker(core, c, request);
    return reply;
  });
}

LeaseReply lease(Core& core, const LeaseRequest& request) {
  require_short(request.nonce, "nonce");
  // A run that is started on a full disk fails, and with it goes some of what it may fail. A disk
  // far away takes its time to say how full it is: the writer does not wait for it.
  const bool room = why_not_ready(look_at_ground(core)).empty();
  return core.database.write(Urgency::state,
                             [&](Connection& c) { return answer(core, c, request, room); });
}

HeartbeatReply heartbeat(Core& core, const HeartbeatRequest& request) {
  return core.database.write(Urgency::state, [&](Connection& c) {
    const WorkerRow worker = known_worker(core, c, request.worker_id, request.incarnation);
    WorkerStore(c).set_draining(worker.id, request.draining);
    WorkerStore(c).set_resting(worker, nlohmann::json(request.resting).dump());
    HeartbeatReply reply;
    for (const LeaseKey& key : request.leases) {
      reply.runs.push_back({key.run_id, key.lease_epoch, renewed(core, c, worker, key)});
    }
    return reply;
  });
}

void started(Core& core, const LeaseKey& key) {
  core.database.write(Urgency::state, [&](Connection& c) {
    Holding holding = hold(core, c, key);
    const std::int64_t now = core.now_ms();
    AttemptStore(c).mark_started(holding.run.id, holding.attempt.epoch, now);
    RunStore runs(c);
    runs.mark_started(holding.run.id, now);
    if (holding.run.state == RunState::leased) {
      runs.move(holding.run,
                {.to = RunState::running, .actor = holding.attempt.worker_name, .now_ms = now});
    }
  });
}

void leave(Core& core, const std::string& worker_id, const std::string& incarnation) {
  core.database.write(Urgency::state, [&](Connection& c) {
    const WorkerRow worker = known_worker(core, c, worker_id, incarnation);
    WorkerStore(c).depart(worker.id);
    for (const AttemptRow& attempt : AttemptStore(c).open_of(worker.id, incarnation)) {
      Holding holding{RunStore(c).need(attempt.run), attempt};
      conclude(core, c, holding, ending_of_lost_lease(holding.run.state, budget_of(holding.run)));
    }
  });
}

}  // namespace sarsweep::coordinator
