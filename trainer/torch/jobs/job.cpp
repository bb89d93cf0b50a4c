#include "trainer/torch/jobs/job.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "schema/base/error.h"
#include "trainer/torch/jobs/clip_job.h"
#include "trainer/torch/jobs/diffusion_task.h"
#include "trainer/torch/jobs/evaluation_stage.h"
#include "trainer/torch/jobs/export_stage.h"
#include "trainer/torch/jobs/job_basis.h"
#include "trainer/torch/jobs/sample_stage.h"
#include "trainer/torch/jobs/training_data.h"
#include "trainer/torch/jobs/vae_task.h"

namespace sarsweep::trainer {
namespace {

// One run of a job on a pipeline: diffusion or vae.
class PipelineJob {
 public:
  PipelineJob(JobBasis& basis, const RecordOrder& record)
      : basis_(basis), run_(basis.run()), config_(basis.config()), data_(basis.data()) {
    if (config_.job == "diffusion") require_captions_with(config_.token.texts, data_);
    prepare_record(record);
    basis_.settle();
  }

  JobOutcome run() {
    require_evaluable(run_, data_.options(), data_.stretch());
    if (data_.options().flip == "both") {
      run_.warn("data.flip both mirrors range too: shadows and layover fall on both sides");
    }
    run_.stage("load", 0, 1);
    load();
    basis_.agree_on(model_->digest);
    if (config_.job == "diffusion") {
      check_samples(run_, model_->pipeline, data_.options());
      check_evaluation(run_, model_->pipeline, data_.options());
    }
    move_to_device();
    const TaskInputs inputs{config_,
                            data_,
                            *model_,
                            basis_.absolute_model_path(),
                            run_.file().seed,
                            basis_.updates(),
                            basis_.micro_batch(),
                            record_ ? &*record_ : nullptr};
    if (basis_.updates() == 0) {
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

  void prepare_record(const RecordOrder& order) {
    if (order.file.empty()) return;
    if (basis_.resume() || run_.ranks().size() > 1 || basis_.updates() == 0) {
      throw Error(ErrorCode::invalid,
                  "--record takes the first updates of a run by one process; this run goes on from "
                  "a checkpoint, has several ranks or no updates");
    }
    const auto images = static_cast<std::int64_t>(data_.items().size());
    const RecordedRun run = {lr_schedule_of(config_.train, basis_.updates(), images), images};
    record_.emplace(order, run);
    if (record_->updates() < order.updates) {
      run_.warn(fmt::format("recording {} updates: the run has no more", record_->updates()));
    }
  }

  void move_to_device() {
    const at::Device device = basis_.settle_device();
    if (device.is_cpu()) return;
    for (Component* component : components()) component->to(device, at::kFloat);
  }
  std::array<Component*, 4> components() {
    Pipeline& pipeline = model_->pipeline;
    return {&pipeline.unet, &pipeline.vae, &pipeline.text_encoder, &pipeline.text_encoder_2};
  }

  JobOutcome train(TrainingTask& task, UpdateRule& rule) {
    const auto early = basis_.train(task, [&](long step) { between_updates(step, rule); });
    if (early) return *early;
    after_training(static_cast<long>(basis_.updates()), &rule);
    return {run_dir::ExitCode::done, "done"};
  }

  // The others wait at their next update.
  void between_updates(long step, const UpdateRule& rule) {
    if (!run_.ranks().first()) return;
    const bool sample = basis_.due(run_.stages().samples.every, step) && config_.job == "diffusion";
    const bool judge = basis_.due(run_.stages().eval_every, step);
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

  JobBasis& basis_;
  RunContext& run_;
  const RunConfig& config_;
  const Dataset& data_;
  std::optional<ModelSource> model_;
  std::optional<UpdateRecord> record_;
};

}  // namespace

JobOutcome run_job(RunContext& run, const RecordOrder& record) {
  run.parse_stages();
  JobBasis basis(run);
  if (basis.config().job == "clip") {
    if (!record.file.empty()) {
      throw Error(ErrorCode::invalid,
                  "--record takes the updates of job diffusion or vae; this run is job clip");
    }
    return run_clip_job(basis);
  }
  return PipelineJob(basis, record).run();
}

}  // namespace sarsweep::trainer
