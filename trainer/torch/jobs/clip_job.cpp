#include "trainer/torch/jobs/clip_job.h"

#include <filesystem>
#include <optional>
#include <string>

#include "schema/config/fields.h"
#include "schema/protocol/run_dir.h"
#include "trainer/torch/clip/clip_files.h"
#include "trainer/torch/jobs/clip_evaluation.h"
#include "trainer/torch/jobs/clip_task.h"
#include "trainer/torch/jobs/task_inputs.h"

namespace sarsweep::trainer {
namespace {

class ClipJob {
 public:
  explicit ClipJob(JobBasis& basis) : basis_(basis), run_(basis.run()) { basis_.settle(); }

  JobOutcome run() {
    require_clip_evaluable(run_, basis_.data().options(), basis_.data().stretch());
    run_.stage("load", 0, 1);
    load();
    basis_.agree_on(source_->digest);
    const at::Device device = basis_.settle_device();
    if (!device.is_cpu()) move_clip(source_->model, device);
    if (basis_.updates() == 0) {
      after_training(0, nullptr);
      return {run_dir::ExitCode::done, "done"};
    }
    ClipTask task(run_, {basis_.config(), basis_.data(), *source_, basis_.absolute_model_path(),
                         run_.file().seed, basis_.updates(), basis_.micro_batch()});
    if (const auto early = basis_.train(task, {})) return *early;
    after_training(static_cast<long>(basis_.updates()), &task.rule());
    return {run_dir::ExitCode::done, "done"};
  }

 private:
  void load() {
    const LongWork reading(run_.ranks());
    source_.emplace(load_clip(basis_.config().model_path));
  }

  // The others wait at their farewell.
  void after_training(long step, const UpdateRule* rule) {
    if (!run_.ranks().first()) return;
    std::optional<AveragedWeights> averaged;
    if (rule != nullptr) averaged.emplace(*rule);
    evaluate_clip(run_, source_->model, basis_.data().options(), step);
    export_model();
  }

  // The default type of numbers depends on the job: by the complete config.
  void export_model() {
    const std::filesystem::path folder = run_.dir() / run_dir::kExport / "clip";
    const nlohmann::json fields = config::with_defaults(config::flatten(run_.file().config));
    run_.stage("export", 0, 1);
    std::filesystem::remove_all(folder);  // of an attempt in the same folder
    std::filesystem::create_directories(folder.parent_path());
    save_clip(source_->model, folder,
              export_dtypes().at(fields.at("export.dtype").get<std::string>()));
    run_.stage("export", 1, 1);
  }

  JobBasis& basis_;
  RunContext& run_;
  std::optional<ClipSource> source_;
};

}  // namespace

JobOutcome run_clip_job(JobBasis& basis) { return ClipJob(basis).run(); }

}  // namespace sarsweep::trainer
