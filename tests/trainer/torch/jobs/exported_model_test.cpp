// What a run trained, as diffusers finds it in the exported folder: the unconditional answer and
// the pooled row are those of the training.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include <c10/core/GradMode.h>

#include "tests/support/referee.h"
#include "tests/trainer/torch/jobs/run_folder.h"
#include "trainer/torch/files/model_source.h"
#include "trainer/torch/files/tensor_file.h"
#include "trainer/torch/sampling/sampler.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using tests::run_process;
using tests::TemporaryFolder;

constexpr int kUpdates = 4, kEdge = 64, kLatents = kEdge / 8, kSteps = 10;
constexpr std::int64_t kSeed = 1;
const char* const kPrompt = "a <SAR> image of a ship";

class ExportedModel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!tests::open_clip_vocabulary()) GTEST_SKIP() << "open_clip's vocabulary is not in .venv";
    if (!tests::referee_present()) GTEST_SKIP() << "no .venv-test";
    shared_ = std::make_unique<TemporaryFolder>();
    call({"synthesize", "--out", *shared_ / "data", "--per-label", "6", "--size", "64"});
    call({"init", "--preset", "tiny", "--out", *shared_ / "tiny", "--seed", "1", "--vocab",
          tests::open_clip_vocabulary()->string()});
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static void call(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), tests::trainer_program());
    const tests::ProcessResult result = run_process(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.output;
  }

  // The run of a token, the second text encoder and half of the captions dropped, changed by
  // `config`.
  fs::path train(const std::string& name, const json& config) {
    json document = {{"run_id", "r1"},
                     {"name", name},
                     {"seed", 3},
                     {"device", "cpu"},
                     {"threads", 1},
                     {"cache_dir", *shared_ / "cache"},
                     {"resume", json::array()},
                     {"config",
                      {{"model", {{"path", *shared_ / "tiny"}}},
                       {"data",
                        {{"path", *shared_ / "data"},
                         {"resolution", kEdge},
                         {"stretch", "mean3sigma"},
                         {"scale_column", "scale"}}},
                       {"prompt", {{"replace", {{"A SAR", "A <SAR>"}}}, {"dropout", 0.5}}},
                       {"token", {{"text", "<SAR>"}, {"train", true}, {"lr", 0.1}}},
                       {"unet", {{"mode", "lora"}, {"rank", 2}, {"lr", 1e-2}}},
                       {"text_encoder_2", {{"mode", "lora"}, {"rank", 2}, {"lr", 1e-2}}},
                       {"train", {{"steps", kUpdates}, {"global_batch", 4}}},
                       {"samples", {{"steps", 1}, {"prompts", {kPrompt}}}},
                       {"export", {{"pipeline", "folder"}, {"dtype", "fp32"}}}}}};
    document["config"].merge_patch(config);
    const fs::path run = tests::write_run(folder_ / name, document);
    call({"train", run.string()});
    return run;
  }
  static fs::path checkpoint(const fs::path& run) { return run / "checkpoints/step-00000004"; }
  static fs::path exported(const fs::path& run) { return run / "export/pipeline"; }

  static Pipeline loaded(const fs::path& model) {
    Pipeline pipeline = std::move(load_model(model).pipeline);
    for (Component* part : std::initializer_list<Component*>{&pipeline.unet, &pipeline.text_encoder,
                                                             &pipeline.text_encoder_2}) {
      merge_adapters(*part);
    }
    return pipeline;
  }
  static at::Tensor latents_of(const Pipeline& pipeline) {
    SampleOptions options;
    options.steps = kSteps;
    options.height = options.width = kEdge;
    return sample_latents(pipeline, {{kPrompt, kSeed, 0, {}}}, options);
  }
  static double distance(const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).abs().max() / b.abs().max()).item<double>();
  }

  // diffusers on the exported folder against the checkpoint, no setting told to either.
  void expect_diffusers_agrees(const fs::path& run, const at::Tensor& ours) {
    const TemporaryFolder scratch;
    save_tensors(scratch / "ours.safetensors",
                 {{"case", ours},
                  {"noise", sample_noise(kSeed, 0, kLatents, kLatents)},
                  {"step_noise", sample_step_noise(kSeed, 0, 0, kLatents, kLatents)}});
    const json row = {{"name", "case"},      {"sampler", "euler"},      {"spacing", "leading"},
                      {"steps", kSteps},     {"prediction", "epsilon"}, {"cfg", 5.0},
                      {"negative", ""},      {"force_zeros", nullptr},  {"strength", nullptr},
                      {"prompts", {kPrompt}}};
    std::ofstream(scratch / "cases.json") << json::array({row});
    const auto referee = tests::run_referee(
        "sampling_referee.py",
        {"latents", exported(run), scratch / "ours.safetensors", scratch / "cases.json"});
    EXPECT_EQ(referee.exit_code, 0) << referee.output;
  }
  // `sample` makes the same bytes of both.
  void expect_same_pictures(const fs::path& run) {
    std::vector<std::string> pictures;
    for (const fs::path& model : {checkpoint(run), exported(run)}) {
      const fs::path out = folder_ / ("of-" + run.filename().string() + model.filename().string());
      call({"sample", "--model", model, "--prompt", kPrompt, "--steps", "2", "--size", "64",
            "--negative", "", "--out", out});
      pictures.push_back(read_file(out / "00000.png"));
    }
    EXPECT_TRUE(pictures[0] == pictures[1]);
  }

  inline static std::unique_ptr<TemporaryFolder> shared_;
  TemporaryFolder folder_;
};

TEST_F(ExportedModel, AnEmptyNegativePromptIsWhatADroppedCaptionWas) {
  const c10::NoGradGuard no_grad;
  for (const std::string uncond : {"zeros", "encode_empty"}) {
    SCOPED_TRACE(uncond);
    const fs::path run = train(uncond, {{"prompt", {{"uncond", uncond}}}});
    Pipeline pipeline = loaded(checkpoint(run));
    EXPECT_EQ(zeros_for_empty_prompt(pipeline), uncond == "zeros");
    const at::Tensor ours = latents_of(pipeline);
    expect_diffusers_agrees(run, ours);
    expect_same_pictures(run);
    set_zeros_for_empty_prompt(pipeline, uncond != "zeros");
    EXPECT_GT(distance(latents_of(pipeline), ours), 1e-2);
  }
}

TEST_F(ExportedModel, ARunThatDropsNothingKeepsItsModelsAnswer) {
  const fs::path parent = train("parent", {{"prompt", {{"uncond", "encode_empty"}}}});
  const fs::path child = train("child", {{"model", {{"path", checkpoint(parent)}}},
                                         {"prompt", {{"dropout", 0.0}, {"uncond", "zeros"}}}});
  EXPECT_FALSE(zeros_for_empty_prompt(loaded(checkpoint(child))));
  EXPECT_FALSE(zeros_for_empty_prompt(loaded(exported(child))));
}

TEST_F(ExportedModel, IsPooledAtTheGreatestIdWhereTheRunWas) {
  const c10::NoGradGuard no_grad;
  const json pool = {{"compat", {{"pool", "hf_argmax"}}}};
  const fs::path run = train("argmax", pool);
  Pipeline pipeline = loaded(checkpoint(run));
  const at::Tensor ours = latents_of(pipeline);
  expect_diffusers_agrees(run, ours);
  expect_same_pictures(run);
  EXPECT_LT(distance(latents_of(loaded(exported(run))), ours), 1e-4);
  pipeline.text_encoder_2.set_pooling(Pooling::first_eos);
  EXPECT_GT(distance(latents_of(pipeline), ours), 1e-2);

  // A child goes on from the grown tables without a token of its own.
  json continued = pool;
  continued["model"]["path"] = exported(run);
  continued["token"] = {{"text", nullptr}, {"train", nullptr}, {"lr", nullptr}};
  const fs::path child = train("argmax-child", continued);
  expect_diffusers_agrees(child, latents_of(loaded(checkpoint(child))));
  expect_same_pictures(child);
}

}  // namespace
}  // namespace sarsweep::trainer
