#include "trainer/torch/jobs/job_basis.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "schema/config/fields.h"
#include "trainer/dist/nccl_communicator.h"
#include "trainer/torch/jobs/pooled_update.h"
#include "trainer/torch/jobs/training_data.h"
#include "trainer/torch/model/device.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

// Under a constant rate the weights of an update do not depend on how many come after it, so that a
// run that was finished can train on.
bool is_length(const std::string& name, const json& complete) {
  const std::string group = complete.at("job") == "clip" ? "clip" : "train";
  return complete.at("train.schedule") == "constant" &&
         (name == group + ".steps" || name == group + ".epochs");
}

// What the trained weights depend on besides the binary: resuming under another one is refused.
std::string science_hash(const RunFile& file) {
  json science = json::object();
  const json complete = config::with_defaults(config::flatten(file.config));
  for (const auto& [name, value] : complete.items()) {
    const config::Field* field = config::find_field(name);
    if (field == nullptr || field->field_class != config::FieldClass::science) continue;
    if (!is_length(name, complete)) science[name] = value;
  }
  science["seed"] = file.seed;
  return sha256(canonical_json(science));
}

// Where this rank computes.
at::Device device_of(const RunFile& file, const Communicator& ranks) {
  if (file.devices.empty()) return device_named(file.device);
  if (file.devices.size() != static_cast<std::size_t>(ranks.size())) {
    throw Error(ErrorCode::invalid,
                fmt::format("run.json lists {} devices for {} ranks; mpirun needs -n {}",
                            file.devices.size(), ranks.size(), file.devices.size()),
                "devices");
  }
  return device_named(file.devices[static_cast<std::size_t>(ranks.rank())]);
}

void use_deterministic_algorithms() {
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  keep_fp32_whole();
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

// CPU threads of one of `ranks`: an equal part of the run's, or of what the library would take.
int threads_of_rank(int threads_of_run, int ranks) {
  if (ranks == 1) return threads_of_run;
  return std::max(1, (threads_of_run > 0 ? threads_of_run : at::get_num_threads()) / ranks);
}

std::int64_t updates_of(const RunConfig& config, std::int64_t images) {
  const std::int64_t batch = config.train.global_batch;
  if (config.job == "clip" && batch > images && config.train.steps != 0) {
    throw Error(ErrorCode::invalid,
                fmt::format("clip.batch is {}, but the training split has {} pictures; write "
                            "clip.batch: {} or less",
                            batch, images, images),
                "clip.batch");
  }
  return total_updates(config.train, images);
}

// Pictures of a pass. A CLIP tower sees every picture at its own size, whatever the data's.
std::int64_t pictures_of_pass(const RunConfig& config, int resolution) {
  constexpr std::int64_t kClipPass = 16;
  const std::int64_t batch = config.train.global_batch;
  if (config.job != "clip") return micro_batch_size(config.train.micro_batch, batch, resolution);
  return std::min(config.train.micro_batch.value_or(kClipPass), batch);
}

}  // namespace

JobBasis::JobBasis(RunContext& run)
    : run_(run),
      config_(parse_run_config(run.file().config)),
      data_(training_split(data_options_of(run.file()))),
      config_hash_(science_hash(run.file())),
      resume_(find_resume(run, config_hash_)),
      updates_(updates_of(config_, static_cast<std::int64_t>(data_.items().size()))),
      micro_batch_(pictures_of_pass(config_, data_.options().resolution)) {
  if (config_.model_path.empty()) {
    throw Error(ErrorCode::invalid, "model.path is missing; name a model or a checkpoint",
                "model.path");
  }
}

void JobBasis::settle() {
  settle_micro_batch();
  settle_threads();
}

// Only memory that ran out changes the micro batch of a resumed run.
void JobBasis::settle_micro_batch() {
  const std::int64_t began_with =
      resume_ ? resume_->manifest.value("micro_batch", micro_batch_) : micro_batch_;
  const int halved_then = resume_ ? resume_->manifest.value("micro_halvings", 0) : 0;
  micro_batch_ = halved(began_with, run_.file().micro_halvings - halved_then);
  run_.set_micro_batch(micro_batch_);
  if (micro_batch_ == began_with) return;
  run_.warn(
      fmt::format("memory ran out: a pass takes {} in place of {} images; sums are taken in "
                  "another order, so the last digits will differ",
                  micro_batch_, began_with));
}

// Sums depend on the number of ranks as well, which is as it is.
void JobBasis::settle_threads() {
  const int ranks = run_.ranks().size();
  int threads = threads_of_rank(run_.file().threads, ranks);
  if (resume_) {
    const int ranks_before = resume_->manifest.value("world_size", 1);
    if (ranks_before == ranks) {
      threads = threads_kept(threads, resume_->manifest.value("threads", threads));
    } else {
      run_.warn(
          fmt::format("the checkpoint was made by {} ranks and goes on with {}: sums are "
                      "taken in another order, so the last digits will differ",
                      ranks_before, ranks));
    }
  }
  if (threads > 0) at::set_num_threads(threads);
  threads_ = at::get_num_threads();
  use_deterministic_algorithms();
}

int JobBasis::threads_kept(int threads, int before) {
  if (run_.file().threads > 0 && before != threads) {
    run_.warn(fmt::format(
        "run.json asks for {} threads; the checkpoint was made with {}, which are kept so "
        "that the result stays the same",
        threads, before));
  }
  return before;
}

void JobBasis::agree_on(const std::string& model_digest) {
  run_.events().write("digests", {{"data", data_.digest()}, {"model", model_digest}});
  require_agreement(run_.ranks(), {{"config_hash", config_hash_},
                                   {"data", data_.digest()},
                                   {"model", model_digest},
                                   {"micro_batch", micro_batch_},
                                   {"threads", threads_},
                                   {"resume_step", resume_ ? resume_->step : 0}});
}

at::Device JobBasis::settle_device() {
  const at::Device device = device_of(run_.file(), run_.ranks());
  if (device.is_cpu()) return device;
  device_guard_.reset_device(device);
  if (run_.ranks().size() > 1) run_.sum_on_device(sum_by_nccl(run_.ranks()));
  return device;
}

std::optional<JobOutcome> JobBasis::train(TrainingTask& task, std::function<void(long)> between) {
  switch (run_training_loop(run_, task, loop_plan(std::move(between)), resume_)) {
    case LoopEnd::stopped:
      return JobOutcome{run_dir::ExitCode::stopped, "stopped after a checkpoint"};
    case LoopEnd::diverged:
      return JobOutcome{run_dir::ExitCode::diverged, "10 updates in a row were not finite"};
    case LoopEnd::finished: break;
  }
  return std::nullopt;
}

LoopPlan JobBasis::loop_plan(std::function<void(long)> between) const {
  LoopPlan plan;
  plan.total = static_cast<long>(updates_);
  plan.checkpoint_every = run_.stages().checkpoint_every.updates(updates_per_epoch());
  plan.facts = {{"config_hash", config_hash_},
                {"threads", threads_},
                {"micro_batch", micro_batch_},
                {"micro_halvings", run_.file().micro_halvings},
                {"world_size", run_.ranks().size()}};
  plan.between = std::move(between);
  return plan;
}

bool JobBasis::due(const Interval& interval, long step) const {
  const long every = interval.updates(updates_per_epoch());
  return every > 0 && step % every == 0;
}

double JobBasis::updates_per_epoch() const {
  return static_cast<double>(data_.items().size()) /
         static_cast<double>(config_.train.global_batch);
}

std::string JobBasis::absolute_model_path() const {
  return std::filesystem::absolute(config_.model_path).lexically_normal().string();
}

}  // namespace sarsweep::trainer
