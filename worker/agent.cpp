#include "worker/agent.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <set>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/log.h"
#include "schema/base/private_folder.h"
#include "schema/config/duration.h"
#include "worker/machine.h"

namespace sarsweep::worker {
namespace {

using std::chrono::milliseconds;
namespace fs = std::filesystem;

constexpr milliseconds kUntilSlotsAreFree{60'000};  // a run's end wakes the loop before
constexpr milliseconds kSoon{50};
constexpr milliseconds kSoonest{1};
constexpr milliseconds kDrainLook{200};

fs::path own_folder(const AgentOptions& options) {
  check_worker_name(options.name);
  if (access(options.trainer.c_str(), X_OK) != 0) {
    throw Error(ErrorCode::invalid,
                "no trainer at " + options.trainer.string() + "; name it with --trainer",
                "trainer");
  }
  return fs::absolute(options.home) / ("worker-" + options.name);
}

// The coordinator does not know this worker process: only registering helps.
bool is_unknown_worker(ErrorCode code) {
  return code == ErrorCode::not_found || code == ErrorCode::conflict || code == ErrorCode::fenced;
}

bool is_final(ErrorCode code) {
  return code == ErrorCode::unauthorized || code == ErrorCode::forbidden ||
         code == ErrorCode::invalid;
}

std::optional<std::chrono::seconds> walltime_of(const Grant& grant) {
  const nlohmann::json::json_pointer field("/config/resources/walltime");
  if (!grant.run_json.contains(field) || !grant.run_json[field].is_string()) return std::nullopt;
  const auto seconds = config::parse_duration(grant.run_json[field].get<std::string>());
  if (!seconds) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

milliseconds to_milliseconds(double seconds) {
  return milliseconds(static_cast<std::int64_t>(std::clamp(seconds, 0.0, 3600.0) * 1000));
}

}  // namespace

WorkerLock::WorkerLock(const fs::path& folder) {
  const fs::path file = folder / "lock";
  try {
    make_private_folder(folder.parent_path());
    make_private_folder(folder);
  } catch (const Error& error) {
    throw Error(error.code(), "the worker's own folder: " + std::string(error.what()));
  }
  descriptor_ = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor_ < 0) {
    throw Error(code_of_errno(errno), "cannot open " + file.string() + ": " + std::strerror(errno));
  }
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    close(descriptor_);
    throw Error(ErrorCode::conflict, "another worker process uses " + folder.string() +
                                         "; stop it or choose another --name");
  }
}

WorkerLock::~WorkerLock() { close(descriptor_); }

Agent::Agent(AgentOptions options, CoordinatorApi& api, const Clock& clock)
    : options_(std::move(options)),
      api_(api),
      clock_(clock),
      incarnation_(random_hex(16)),
      lock_(own_folder(options_)),
      records_(own_folder(options_) / "attempts"),
      surroundings_{.api = api_,
                    .clock = clock_,
                    .records = records_,
                    .programs = {fs::absolute(options_.trainer), options_.mpirun},
                    .patience = options_.patience,
                    .ship_every = options_.ship_every,
                    .retry_first = options_.retry_first,
                    .retry_cap = options_.retry_cap,
                    .drain_patience = options_.drain_patience,
                    .on_over = [this] { wakeup_.notify(); }},
      resting_(options_.slots, options_.gpus, clock_),
      backoff_(options_.retry_first, options_.retry_cap, std::hash<std::string>{}(incarnation_)),
      begin_(clock.steady()),
      last_busy_(begin_) {}

// Runs may still call on_over: they go first.
Agent::~Agent() {
  Runs last = runs_.with([](Runs& runs) { return std::exchange(runs, {}); });
  last.clear();
}

std::vector<std::string> Agent::held() const {
  std::vector<std::string> names;
  for (const auto& run : runs()) names.push_back(run->name());
  return names;
}

Agent::Runs Agent::runs() const {
  return runs_.with([](const Runs& runs) { return runs; });
}

void Agent::run(const std::stop_token& stop) {
  membership_.with([this](Membership& m) { m.last_contact = clock_.steady(); });
  adopt();
  join(stop);
  std::jthread heart([this](const std::stop_token& end) { beat_until(end); });
  while (!stop.stop_requested() && reason_to_leave().empty()) {
    const milliseconds wait = lease_once();
    wakeup_.wait_for(stop, std::min(wait, until_leaving()));
  }
  spdlog::info("draining{}", stop.stop_requested() ? "" : ": " + reason_to_leave());
  drain();
  heart.request_stop();
  heart.join();
  const auto membership = membership_.with([](const Membership& m) { return m; });
  if (membership.registered) api_.leave(membership.reply.worker_id, incarnation_);
}

std::string Agent::reason_to_leave() {
  const auto now = clock_.steady();
  if (!runs().empty()) last_busy_ = now;
  if (options_.time_left && now >= begin_ + *options_.time_left) {
    return "the time of this machine is nearly over";
  }
  if (options_.idle_timeout && now >= last_busy_ + *options_.idle_timeout) {
    return "it has had no run for " + std::to_string(options_.idle_timeout->count() / 1000) + " s";
  }
  return membership_.with([](const Membership& m) { return m.dismissed; });
}

milliseconds Agent::until_leaving() const {
  const auto now = clock_.steady();
  milliseconds left = kUntilSlotsAreFree;
  const auto bound = [&](Clock::TimePoint end) {
    const auto rest = std::chrono::ceil<milliseconds>(end - now);
    left = std::clamp(rest, kSoonest, left);
  };
  if (options_.time_left) bound(begin_ + *options_.time_left);
  if (options_.idle_timeout) bound(last_busy_ + *options_.idle_timeout);
  return left;
}

void Agent::adopt() {
  std::vector<int> held;
  for (const AttemptRecord& record : records_.load()) {
    spdlog::info("run {} e{}: taken over from an earlier worker process", record.name,
                 record.key.lease_epoch);
    auto run = std::make_shared<HeldRun>(surroundings_, record);
    runs_.with([&run](Runs& runs) { runs.push_back(run); });
    held.insert(held.end(), record.slots.begin(), record.slots.end());
  }
  resting_.begin(held);
}

// Registers and, where runs were taken over, hears what the coordinator wants of them: not before
// that may a new run be leased.
void Agent::join(const std::stop_token& stop) {
  while (!stop.stop_requested() && reason_to_leave().empty()) {
    const auto registered = register_once();
    if (registered && (runs().empty() || beat())) break;
    if (!registered && is_final(registered.error().code)) {
      throw Error(registered.error().code, registered.error().message);
    }
    if (!registered) spdlog::warn("not registered yet: {}", registered.error().message);
    go_offline_if_due();
    wakeup_.wait_for(stop, std::min(backoff_.next(), until_leaving()));
  }
  backoff_.reset();
}

ApiResult<Nothing> Agent::register_once() {
  const auto reply = api_.register_worker({options_.name, incarnation_, host_name(),
                                           options_.threads, options_.slots, options_.slurm_job});
  if (!reply) return tl::unexpected(reply.error());
  if (!reply->dismissed.empty()) {
    membership_.with([&](Membership& m) {
      m.dismissed = reply->dismissed;
      m.last_contact = clock_.steady();
    });
    return Nothing{};
  }
  membership_.with([&](Membership& m) {
    m.reply = *reply;
    m.registered = true;
    m.last_contact = clock_.steady();
  });
  spdlog::info("registered as {} with {} slots", reply->worker_id, options_.slots.size());
  return Nothing{};
}

milliseconds Agent::lease_once() {
  drop_finished();
  resting_.look();
  const auto membership = membership_.with([](const Membership& m) { return m; });
  LeaseRequest request{membership.reply.worker_id, incarnation_, nonce_, free_slots()};
  if (request.free_slots.empty()) return std::min(kUntilSlotsAreFree, resting_.until_look());
  if (!membership.registered) return backoff_.next();
  // The same nonce until an answer is here, so that a lost reply cannot grant a run twice.
  if (nonce_.empty()) request.nonce = nonce_ = random_hex(16);
  const auto reply = api_.lease(request);
  if (!reply) return lease_failed(reply.error());
  nonce_.clear();
  backoff_.reset();
  hear_of_drain(reply->drained_by);
  for (const Grant& grant : reply->grants) take(grant);
  return reply->grants.empty() ? std::max(kSoon, to_milliseconds(reply->retry_after_s)) : kSoon;
}

void Agent::hear_of_drain(const std::string& drained_by) {
  if (drained_by == drained_by_) return;
  drained_by_ = drained_by;
  if (drained_by.empty()) {
    spdlog::info("takes runs again");
  } else {
    spdlog::info("drained by {}: takes no runs until: sarsweep worker undrain {}",
                 printable(drained_by), options_.name);
  }
}

milliseconds Agent::lease_failed(const ApiFailure& failure) {
  if (is_unknown_worker(failure.code)) {
    nonce_.clear();
    membership_.with([](Membership& m) { m.registered = false; });
    heart_.notify();
  }
  spdlog::warn("no lease: {}", failure.message);
  return backoff_.next();
}

void Agent::take(const Grant& grant) {
  const std::vector<int> free = free_slots();
  const bool fits =
      !grant.slots.empty() && std::all_of(grant.slots.begin(), grant.slots.end(), [&](int slot) {
        return std::find(free.begin(), free.end(), slot) != free.end();
      });
  if (!fits) {
    spdlog::error("run {}: granted on slots that are not free here; its lease will lapse",
                  grant.name);
    return;
  }
  try {
    const std::string store = membership_.with([](const Membership& m) { return m.reply.store; });
    AttemptRecord record{grant.key,
                         grant.name,
                         grant.slots,
                         run_dir_of(store, grant.key),
                         "SARSWEEP_ATTEMPT=" + random_hex(16),
                         walltime_of(grant),
                         std::nullopt};
    auto run = std::make_shared<HeldRun>(surroundings_, std::move(record),
                                         FreshRun{grant.run_json, placement_for(grant)});
    runs_.with([&run](Runs& runs) { runs.push_back(run); });
  } catch (const Error& error) {
    spdlog::error("run {}: {}; its lease will lapse", grant.name, error.what());
  }
}

Placement Agent::placement_for(const Grant& grant) const {
  const nlohmann::json::json_pointer wish("/config/resources/device");
  const bool on_cpu = grant.run_json.contains(wish) && grant.run_json[wish] == "cpu";
  Placement placement;
  placement.threads = options_.threads * static_cast<int>(grant.slots.size());
  for (const int index : grant.slots) {
    const auto slot =
        std::find_if(options_.slots.begin(), options_.slots.end(),
                     [index](const Slot& candidate) { return candidate.index == index; });
    placement.devices.push_back(on_cpu ? "cpu" : slot->device);
  }
  return placement;
}

std::vector<int> Agent::free_slots() const {
  std::set<int> taken;
  for (const auto& run : runs()) taken.insert(run->slots().begin(), run->slots().end());
  std::vector<int> free;
  for (const Slot& slot : options_.slots) {
    if (!taken.contains(slot.index) && !resting_.contains(slot.index)) free.push_back(slot.index);
  }
  return free;
}

// A run whose processes could not be killed stays in the list, and with it its slots.
void Agent::drop_finished() {
  Runs finished;  // Joined outside the lock.
  runs_.with([&finished](Runs& runs) {
    const auto keep = std::stable_partition(runs.begin(), runs.end(), [](const auto& run) {
      return !(run->over() && run->slots_usable());
    });
    finished.assign(keep, runs.end());
    runs.erase(keep, runs.end());
  });
  for (const auto& run : finished) resting_.lay_down(run->slots());
}

std::vector<RestingSlot> Agent::resting() const {
  std::vector<RestingSlot> all = resting_.in_use();
  for (const auto& run : runs()) {
    if (!run->over() || run->slots_usable()) continue;
    for (const int slot : run->slots()) {
      all.push_back({slot, "a process of " + run->name() + " survives SIGKILL"});
    }
  }
  return all;
}

milliseconds Agent::heartbeat_interval() const {
  return to_milliseconds(membership_.with([](const Membership& m) { return m.reply.heartbeat_s; }));
}

void Agent::beat_until(const std::stop_token& stop) {
  std::minstd_rand generator(static_cast<unsigned>(std::hash<std::string>{}(incarnation_)));
  std::uniform_real_distribution<double> jitter(0.9, 1.1);
  while (!stop.stop_requested()) {
    beat();
    go_offline_if_due();
    const double interval = static_cast<double>(heartbeat_interval().count()) * jitter(generator);
    heart_.wait_for(stop, milliseconds(static_cast<std::int64_t>(interval)));
  }
}

bool Agent::beat() {
  const auto membership = membership_.with([](const Membership& m) { return m; });
  if (!membership.registered) {
    const auto registered = register_once();
    if (!registered) spdlog::warn("not registered: {}", registered.error().message);
    wakeup_.notify();
    return false;
  }
  HeartbeatRequest request{membership.reply.worker_id, incarnation_, membership.draining, {}};
  const Runs held = runs();
  for (const auto& run : held) {
    if (!run->over()) request.leases.push_back(run->key());
  }
  request.resting = resting();
  const auto reply = api_.heartbeat(request);
  if (!reply) {
    spdlog::warn("no heartbeat: {}", reply.error().message);
    if (is_unknown_worker(reply.error().code)) {
      membership_.with([](Membership& m) { m.registered = false; });
    }
    return false;
  }
  membership_.with([this](Membership& m) { m.last_contact = clock_.steady(); });
  for (const OrderedRun& ordered : reply->runs) {
    for (const auto& run : held) {
      const LeaseKey& key = run->key();
      if (key.run_id == ordered.run_id && key.lease_epoch == ordered.lease_epoch) {
        run->obey(ordered.order);
      }
    }
  }
  return true;
}

void Agent::go_offline_if_due() {
  const auto last = membership_.with([](const Membership& m) { return m.last_contact; });
  if (clock_.steady() - last < options_.max_offline) return;
  for (const auto& run : runs()) run->save_and_stop();
}

void Agent::drain() {
  membership_.with([](Membership& m) { m.draining = true; });
  heart_.notify();
  const Runs held = runs();
  for (const auto& run : held) run->drain();
  const auto all_over = [&held] {
    return std::all_of(held.begin(), held.end(), [](const auto& run) { return run->over(); });
  };
  while (!all_over()) wakeup_.wait_for({}, kDrainLook);
}

}  // namespace sarsweep::worker
