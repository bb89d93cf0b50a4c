#include "trainer/torch/jobs/job.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include <c10/core/DeviceGuard.h>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "schema/config/fields.h"
#include "trainer/dist/nccl_communicator.h"
#include "trainer/torch/jobs/diffusion_task.h"
#include "trainer/torch/jobs/evaluation_stage.h"
#include "trainer/torch/jobs/export_stage.h"
#include "trainer/torch/jobs/pooled_update.h"
#include "trainer/torch/jobs/sample_stage.h"
#include "trainer/torch/jobs/training_data.h"
#include "trainer/torch/jobs/vae_task.h"
#include "trainer/torch/model/device.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

// Under a constant rate the weights of an update do not depend on how many come after it, so that a
// run that was finished can train on.
bool is_length(const std::string& name, const json& complete) {
  return complete.at("train.schedule") == "constant" &&
         (name == "train.steps" || name == "train.epochs");
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

// One run of either job.
class Job {
 public:
  Job(RunContext& run, const RecordOrder& record)
      : run_(run),
        config_(parse_run_config(run.file().config)),
        data_(training_split(data_options_of(run.file()))),
        config_hash_(science_hash(run.file())),
        resume_(find_resume(run, config_hash_)),
        updates_(total_updates(config_.train, static_cast<std::int64_t>(data_.items().size()))),
        micro_batch_(micro_batch_size(config_.train.micro_batch, config_.train.global_batch,
                                      data_.options().resolution)) {
    if (config_.model_path.empty()) {
      throw Error(ErrorCode::invalid,
                  "model.path is missing; name a pipeline folder or a checkpoint", "model.path");
    }
    if (config_.job == "diffusion") require_captions_with(config_.token.texts, data_);
    prepare_record(record);
    settle_micro_batch();
    settle_threads();
  }

  JobOutcome run() {
    require_evaluable(run_, data_.options(), data_.stretch());
    if (data_.options().flip == "both") {
      run_.warn("data.flip both mirrors range too: shadows and layover fall on both sides");
    }
    run_.stage("load", 0, 1);
    load();
    run_.events().write("digests", {{"data", data_.digest()}, {"model", model_->digest}});
    require_agreement(run_.ranks(), {{"config_hash", config_hash_},
                                     {"data", data_.digest()},
                                     {"model", model_->digest},
                                     {"micro_batch", micro_batch_},
                                     {"threads", threads_},
                                     {"resume_step", resume_ ? resume_->step : 0}});
    if (config_.job == "diffusion") {
      check_samples(run_, model_->pipeline, data_.options());
      check_evaluation(run_, model_->pipeline, data_.options());
    }
    move_to_device();
    const TaskInputs inputs{
        config_,          data_,    *model_,      absolute_model_path(),
        run_.file().seed, updates_, micro_batch_, record_ ? &*record_ : nullptr};
    if (updates_ == 0) {
      after_training(0, nullptr);
      return {run_dir::ExitCode::done, "done"};
    }
    if (config_.job == "vae") {
      VaeTask task(run_, inputs);
      return train(task, task.rule());
    }
    DiffusionTask task(run_, inputs);
    return train(task, task.rule());
  }

 private:
  void load() {
    const LongWork reading(run_.ranks());
    model_.emplace(load_model(config_.model_path));
  }

  std::string absolute_model_path() const {
    return std::filesystem::absolute(config_.model_path).lexically_normal().string();
  }

  void prepare_record(const RecordOrder& order) {
    if (order.file.empty()) return;
    if (resume_ || run_.ranks().size() > 1 || updates_ == 0) {
      throw Error(ErrorCode::invalid,
                  "--record takes the first updates of a run by one process; this run goes on from "
                  "a checkpoint, has several ranks or no updates");
    }
    const auto images = static_cast<std::int64_t>(data_.items().size());
    const RecordedRun run = {lr_schedule_of(config_.train, updates_, images), images};
    record_.emplace(order, run);
    if (record_->updates() < order.updates) {
      run_.warn(fmt::format("recording {} updates: the run has no more", record_->updates()));
    }
  }

  // A resumed run keeps the micro batch it began with, for sums depend on it. Only memory that ran
  // out changes it.
  void settle_micro_batch() {
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

  // A resumed run keeps the thread count it began with: sums depend on it, and on the number of
  // ranks, which is as it is.
  void settle_threads() {
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
  int threads_kept(int threads, int before) {
    if (run_.file().threads > 0 && before != threads) {
      run_.warn(fmt::format(
          "run.json asks for {} threads; the checkpoint was made with {}, which are kept so "
          "that the result stays the same",
          threads, before));
    }
    return before;
  }

  void move_to_device() {
    const at::Device device = device_of(run_.file(), run_.ranks());
    if (device.is_cpu()) return;
    device_guard_.reset_device(device);
    if (run_.ranks().size() > 1) run_.sum_on_device(sum_by_nccl(run_.ranks()));
    for (Component* component : components()) component->to(device, at::kFloat);
  }
  std::array<Component*, 4> components() {
    Pipeline& pipeline = model_->pipeline;
    return {&pipeline.unet, &pipeline.vae, &pipeline.text_encoder, &pipeline.text_encoder_2};
  }

  JobOutcome train(TrainingTask& task, UpdateRule& rule) {
    LoopPlan plan;
    const double per_epoch =
        static_cast<double>(data_.items().size()) / static_cast<double>(config_.train.global_batch);
    plan.total = static_cast<long>(updates_);
    plan.checkpoint_every = run_.stages().checkpoint_every.updates(per_epoch);
    plan.facts = {{"config_hash", config_hash_},
                  {"threads", threads_},
                  {"micro_batch", micro_batch_},
                  {"micro_halvings", run_.file().micro_halvings},
                  {"world_size", run_.ranks().size()}};
    plan.between = [&](long step) { between_updates(step, per_epoch, rule); };
    switch (run_training_loop(run_, task, plan, resume_)) {
      case LoopEnd::stopped: return {run_dir::ExitCode::stopped, "stopped after a checkpoint"};
      case LoopEnd::diverged:
        return {run_dir::ExitCode::diverged, "10 updates in a row were not finite"};
      case LoopEnd::finished: break;
    }
    after_training(plan.total, &rule);
    return {run_dir::ExitCode::done, "done"};
  }

  // The others wait at their next update.
  void between_updates(long step, double per_epoch, const UpdateRule& rule) {
    if (!run_.ranks().first()) return;
    const auto due = [&](const Interval& interval) {
      const long every = interval.updates(per_epoch);
      return every > 0 && step % every == 0;
    };
    const bool sample = due(run_.stages().samples.every) && config_.job == "diffusion";
    const bool judge = due(run_.stages().eval_every);
    if (!sample && !judge) return;
    const AveragedWeights averaged(rule);
    if (sample) write_samples(run_, model_->pipeline, data_.options(), step);
    if (judge) {
      evaluate_model(run_, model_->pipeline, data_.options(),
                     {step, "val", "eval_val", config_.job == "vae"});
    }
  }

  // The others wait at their farewell.
  void after_training(long step, const UpdateRule* rule) {
    if (!run_.ranks().first()) return;
    std::optional<AveragedWeights> averaged;
    if (rule != nullptr) averaged.emplace(*rule);
    if (config_.job == "diffusion") write_samples(run_, model_->pipeline, data_.options(), step);
    evaluate_model(run_, model_->pipeline, data_.options(),
                   {step, "", "eval", config_.job == "vae"});
    export_model(run_, model_->pipeline);
  }

  RunContext& run_;
  RunConfig config_;
  Dataset data_;
  std::string config_hash_;
  std::optional<SealedCheckpoint> resume_;
  std::int64_t updates_, micro_batch_;
  int threads_ = 1;
  c10::OptionalDeviceGuard device_guard_;  // "cuda" means this rank's device while it lives
  std::optional<ModelSource> model_;
  std::optional<UpdateRecord> record_;
};

}  // namespace

JobOutcome run_job(RunContext& run, const RecordOrder& record) {
  run.parse_stages();
  return Job(run, record).run();
}

}  // namespace sarsweep::trainer
