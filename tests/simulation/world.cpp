#include "tests/simulation/world.h"

#include <fmt/format.h>

#include <fstream>

#include "schema/base/digest.h"
#include "tests/coordinator/core/bench.h"
#include "tests/simulation/worker_stand_in.h"

namespace sarsweep::simulation {
namespace {

namespace fs = std::filesystem;
using coordinator::Coordinator;
using coordinator::CoordinatorOptions;

constexpr std::int64_t kFaultsMs = 90'000, kHealingMs = 1'500'000;
constexpr std::uint64_t kUndisturbed = 16;  // one history in so many has no faults, and one these:
const Faults kStopsAlone{.coordinator_stops = true};
constexpr std::int64_t kTickMs = 1000, kDisturbMs = 1500;

// Times a few seconds long instead of some tens: a history then needs fewer ticks.
CoordinatorOptions options_in(const fs::path& folder) {
  return {.home = folder,
          .store = folder / "store",
          .heartbeat_s = 1,
          .lease_s = 6,
          .regrant_after_s = 8,
          .restart_grace_s = 12,
          .cancel_grace_s = 20};
}

}  // namespace

World::World(std::uint64_t seed, fs::path folder)
    : chance(seed), checker(folder), folder_(std::move(folder)) {
  if (seed % kUndisturbed != 0) faults_ = Faults::drawn(chance);
  if (seed % kUndisturbed == 1) faults_ = kStopsAlone;
  sweep_.name = "demo";
  sweep_.report = {"x"};
  const int runs = 2 + chance.below(6);
  for (int number = 0; number < runs; ++number) sweep_.runs.push_back(planned(number));
  if (chance.happens(0.3)) sweep_.max_failures = 1 + chance.below(2);
  const int workers = 1 + chance.below(3);
  for (int number = 0; number < workers; ++number) {
    workers_.push_back(std::make_unique<WorkerStandIn>(*this, number, 2 + chance.below(2)));
  }
}

World::~World() = default;

// Some runs start from another, some need two slots.
coordinator::PlannedRun World::planned(int number) {
  coordinator::PlannedRun run = coordinator::planned(fmt::format("r{}", number));
  run.config = config::RunValues({{"data.path", "data"},
                                  {"resources.retries", chance.below(3)},
                                  {"resources.gpus", 1 + (chance.happens(0.2) ? 1 : 0)}});
  if (number > 0 && chance.happens(0.3)) {
    run.parent = coordinator::ParentRef{.sweep = "demo",
                                        .cell = fmt::format("r{}", chance.below(number)),
                                        .seed = 0,
                                        .any_seed = false,
                                        .checkpoint = "last"};
  }
  return run;
}

void World::note(const std::string& what) {
  if (std::getenv("SARSWEEP_TRACE") != nullptr) fmt::print("{} {}\n", clock.now_ms(), what);
  for (const char c : fmt::format("{} {}\n", clock.now_ms(), what)) {
    trace_ = (trace_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
}

std::int64_t World::delay_ms() {
  const bool slow = faults_.slowness && !healed_ && chance.happens(0.1);
  return slow ? 1 + chance.below(12'000) : 1 + chance.below(50);
}

void World::expect_legal(const Grant& grant) {
  const std::string held = core_->sweep("demo").at("held");
  if (!held.empty()) fail(grant.name + " starts although its sweep is held: " + held);
  const auto wanted = grant.run_json.at("config").at("resources").value("gpus", std::size_t{1});
  if (grant.slots.size() != wanted) {
    fail(fmt::format("{} got {} slots and needs {}", grant.name, grant.slots.size(), wanted));
  }
}

void World::upload(Coordinator& core, const LeaseKey& key, const std::string& content) {
  const fs::path file = core.incoming_folder() / std::to_string(++uploads_);
  std::ofstream(file, std::ios::binary) << content;
  core.commit_artifact(key, sha256(content), file);
}

void World::open() {
  if (core_) return;
  const coordinator::SweepLanguage language{
      [this](const SweepSource&) { return sweep_; },
      [](const nlohmann::json&) {
        return nlohmann::json{{"name", "mini"}, {"hash", "p"}};
      }};
  core_ = std::make_unique<Coordinator>(options_in(folder_), clock, language);
  note("the coordinator starts");
  look();
}

// As after SIGKILL: the files stay as the last commit left them, without the orderly end of a
// closing database.
void World::die() {
  if (!core_) return;
  const fs::path kept = folder_ / "kept";
  fs::create_directories(kept);
  for (const char* name : {"sarsweep.db", "sarsweep.db-wal"}) {
    if (fs::exists(folder_ / name)) {
      fs::copy_file(folder_ / name, kept / name, fs::copy_options::overwrite_existing);
    }
  }
  checker.close();
  core_.reset();
  for (const char* name : {"sarsweep.db", "sarsweep.db-wal", "sarsweep.db-shm"}) {
    fs::remove(folder_ / name);
    if (fs::exists(kept / name)) fs::rename(kept / name, folder_ / name);
  }
  stopped_until_ms_ = 0;
  note("the coordinator dies");
  agenda.in(500 + chance.below(20'000), [this] { open(); });
}

void World::stop() {
  if (stopped()) return;
  stopped_until_ms_ = clock.now_ms() + 500 + chance.below(60'000);
  note("the coordinator stands still");
}

void World::tick() {
  if (core_ && !stopped()) {
    core_->tick();
    look();
  }
  agenda.in(kTickMs, [this] { tick(); });
}

void World::submit() {
  core_->submit({.text = "t", .file = "f.yaml", .dir = "", .cwd = "", .set = {}, .files = {}}, "",
                "alice", nullptr);
  look();
}

std::string World::run_by_chance() {
  const nlohmann::json runs =
      core_->runs({.sweep = "demo", .study = "", .state = "", .selector = "", .after = ""});
  return runs.at(static_cast<std::size_t>(chance.below(static_cast<int>(runs.size())))).at("id");
}

void World::speak() {
  const std::string run = run_by_chance();
  const Verb verb = kVerbs.at(static_cast<std::size_t>(chance.below(5)));
  try {
    const nlohmann::json reply = core_->apply_verb(run, verb, chance.happens(0.2), "alice");
    if (reply["state"] != reply["was"]) checker.asked(run, verb);
    note(fmt::format("{} {}: {}", to_string(verb), reply["name"].get<std::string>(),
                     reply["state"].get<std::string>()));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::conflict) fail(std::string("a verb: ") + error.what());
  }
  look();
}

// The file loses its last run, or gets it back.
void World::edit() {
  static constexpr std::size_t kLeast = 2;
  const coordinator::ExpandedSweep whole = sweep_;
  if (sweep_.runs.size() > kLeast && chance.happens(0.5)) {
    const std::string name = sweep_.runs.back().name;
    bool needed = false;
    for (const auto& run : sweep_.runs) needed = needed || (run.parent && run.parent->cell == name);
    if (!needed) sweep_.runs.pop_back();
  } else {
    sweep_.runs.push_back(planned(static_cast<int>(sweep_.runs.size())));
  }
  for (const nlohmann::json& run : core_->runs(
           {.sweep = "demo", .study = "", .state = "cancelled", .selector = "", .after = ""})) {
    checker.withdrawn(run.at("id"));
  }
  try {
    submit();
    note(fmt::format("{} runs", sweep_.runs.size()));
  } catch (const Error&) {  // A started run would have to change: refused as a whole.
    sweep_ = whole;
  }
}

void World::disturb() {
  if (healed_) return;
  WorkerStandIn& worker =
      *workers_[static_cast<std::size_t>(chance.below(static_cast<int>(workers_.size())))];
  if (faults_.freezes && chance.happens(0.08)) worker.freeze(1000 + chance.below(30'000));
  if (faults_.worker_deaths && worker.alive() && chance.happens(0.06)) {
    worker.die(chance.happens(0.5));
    agenda.in(500 + chance.below(15'000), [&worker] {
      if (!worker.alive()) worker.start();
    });
  }
  if (faults_.trainer_failures && chance.happens(0.1)) {
    static constexpr std::array kCodes = {0, 1, 75, 76, 77, 143};
    worker.break_trainer(kCodes.at(static_cast<std::size_t>(chance.below(6))));
  }
  if (faults_.damage && chance.happens(0.1)) checkpoints.damage_one(chance);
  if (faults_.wall_jumps && chance.happens(0.05))
    clock.set_wall(chance.below(7'200'000) - 3'600'000);
  const bool answers = core_ && !stopped();
  if (answers && faults_.people && chance.happens(0.15)) speak();
  if (answers && faults_.edits && chance.happens(0.05)) edit();
  if (faults_.coordinator_deaths && chance.happens(0.04)) die();
  if (core_ && faults_.coordinator_stops && chance.happens(0.06)) stop();
  agenda.in(kDisturbMs, [this] { disturb(); });
}

// From here nothing goes wrong any more, and what was paused is wanted again.
void World::heal() {
  healed_ = true;
  stopped_until_ms_ = 0;
  open();
  for (const auto& worker : workers_) {
    worker->thaw();
    if (!worker->alive()) worker->start();
  }
  for (const nlohmann::json& run :
       core_->runs({.sweep = "demo", .study = "", .state = "", .selector = "", .after = ""})) {
    const bool held = run.at("reason").get<std::string>().substr(0, 5) == "held:";
    if (!held && run.at("state") != "paused" && run.at("state") != "pausing") continue;
    try {
      core_->apply_verb(run.at("id"), Verb::resume, false, "alice");
    } catch (const Error&) {  // It is still pausing: at_rest() asks again.
    }
  }
  note("healed");
}

// Whether every run has come to an end and no trainer is left.
bool World::at_rest() {
  bool rest = true, stuck = false;
  for (const auto& [name, state] : checker.states()) {
    stuck = stuck || state == RunState::paused || state == RunState::queued;
    rest = rest && (is_terminal(state) || state == RunState::blocked);
  }
  if (stuck) heal();
  for (const auto& worker : workers_) rest = rest && !worker->has_trainers();
  return rest;
}

void World::look() {
  ++events_;
  if (fault_) return;
  fault_ = checker.look();
}

std::optional<std::string> World::go() {
  open();
  submit();
  tick();
  for (const auto& worker : workers_) worker->start();
  disturb();
  const std::int64_t end = clock.now_ms() + kFaultsMs;
  while (!fault_ && agenda.step(end)) {
  }
  if (fault_) return fault_;
  heal();
  const std::int64_t last = clock.now_ms() + kHealingMs;
  std::int64_t next_look = 0;
  while (!fault_ && agenda.step(last)) {
    if (clock.now_ms() < next_look) continue;
    next_look = clock.now_ms() + 5000;
    if (at_rest()) break;
  }
  if (!fault_ && !at_rest()) fault_ = "healed, and yet not everything ends:\n" + checker.dump();
  if (!fault_) fault_ = checker.look_closely();
  if (!fault_ && faults_.cost_nothing()) fault_ = checker.look_for_waste();
  for (const auto& [name, state] : checker.states()) {
    note(name + " ends " + std::string(to_string(state)));
  }
  return fault_;
}

}  // namespace sarsweep::simulation
