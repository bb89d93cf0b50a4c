#include "tests/simulation/trainer_stand_in.h"

#include "schema/base/digest.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::simulation {
namespace {

using nlohmann::json;

std::uint64_t mixed(const std::string& name, std::int64_t step) {
  std::uint64_t hash = 0xcbf29ce484222325U ^ static_cast<std::uint64_t>(step);
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return hash;
}

}  // namespace

std::int64_t steps_of(const std::string& run_name) {
  return 4 + static_cast<std::int64_t>(mixed(run_name, 0) % 9);
}

double value_of(const std::string& run_name, std::int64_t step) {
  return static_cast<double>(mixed(run_name, step) >> 11) * 0x1.0p-53;
}

TrainerStandIn::TrainerStandIn(Grant grant, const std::string& store, Checkpoints& checkpoints)
    : grant_(std::move(grant)),
      folder_(run_dir::attempt_dir(store, grant_.key.run_id, grant_.key.lease_epoch).string()),
      checkpoints_(checkpoints) {
  for (const json& checkpoint : grant_.run_json.at("resume")) {
    if (!checkpoints_.is_whole(checkpoint.at("checkpoint"))) continue;
    step_ = checkpoint.at("step");
    break;
  }
}

std::string TrainerStandIn::artifact() const {
  return grant_.key.run_id + "/" + std::to_string(grant_.key.lease_epoch);
}

void TrainerStandIn::save() {
  const std::string path = "checkpoints/" + run_dir::step_name(step_);
  checkpoints_.save(folder_ + "/" + path);
  write({{"type", "checkpoint"},
         {"step", step_},
         {"path", path},
         {"manifest_sha256", sha256(folder_ + path)},
         {"bytes", 1}});
}

void TrainerStandIn::work() {
  if (ended()) return;
  if (stopping_) {
    if (step_ > 0) save();
    exit_code_ = static_cast<int>(run_dir::ExitCode::stopped);
    return;
  }
  const std::int64_t total = steps_of(grant_.name);
  if (step_ < total) {
    ++step_;
    write({{"type", "progress"}, {"step", step_}, {"total_steps", total}});
    write(
        {{"type", "metrics"}, {"step", step_}, {"values", {{"x", value_of(grant_.name, step_)}}}});
    if (step_ % kStepsBetweenCheckpoints == 0 || step_ == total) save();
    return;
  }
  write({{"type", "sample"},
         {"step", step_},
         {"file", "samples/0.png"},
         {"prompt", "p"},
         {"seed", 0},
         {"bytes", artifact().size()},
         {"sha256", sha256(artifact())}});
  sampled_ = true;
  write({{"type", "end"}, {"exit_code", 0}, {"reason", ""}, {"step", step_}});
  exit_code_ = 0;
}

}  // namespace sarsweep::simulation
