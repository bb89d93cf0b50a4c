#include "trainer/torch/training/diffusion_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "schema/base/error.h"
#include "schema/base/philox.h"
#include "tests/support/present.h"
#include "tests/trainer/torch/live_bytes.h"
#include "tests/trainer/torch/operators_seen.h"
#include "trainer/torch/files/pipeline_folder.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

at::Tensor normals(const std::string& purpose, std::vector<std::int64_t> shape) {
  at::Tensor out = at::zeros(shape);
  RandomStream(1, purpose, 0)
      .fill_normal(out.mutable_data_ptr<float>(), static_cast<std::uint64_t>(out.numel()));
  return out;
}

class DiffusionStepTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::filesystem::path vocabulary = SARSWEEP_VOCABULARY;
    if (!tests::present(std::filesystem::exists(vocabulary), "open_clip's vocabulary")) {
      GTEST_SKIP() << "needs open_clip's vocabulary";
    }
    pipeline_.emplace(init_pipeline(preset_configs("tiny"), 3, vocabulary));
  }

  TrainBatch batch() const {
    TrainBatch batch;
    batch.latents = normals("latents", {4, 4, 8, 8});
    batch.noise = normals("noise", {4, 4, 8, 8});
    batch.offset_noise = normals("offset", {4, 4, 1, 1});
    batch.timesteps = at::tensor({3, 250, 600, 999}, at::kLong);
    batch.time_ids = at::full({4, 6}, 64.0);
    batch.conditioning = Conditioning{normals("context", {4, 77, 96}), normals("pooled", {4, 48})};
    return batch;
  }

  // Of captions for either encoder, three of which hold the first learned token, where there is
  // one.
  at::Tensor caption_ids() const {
    constexpr std::int64_t kBegin = 49406, kEnd = 49407, kToken = 49408;
    at::Tensor ids = at::full({4, 77}, kEnd, at::kLong);
    for (std::int64_t row = 0; row < ids.size(0); ++row) {
      ids[row][0] = kBegin;
      for (std::int64_t place = 1; place < 5 + row; ++place) ids[row][place] = 300 * place + row;
    }
    if (!pipeline_->learned_tokens.empty()) {
      ids.select(1, 2).masked_fill_(at::tensor({1, 1, 0, 1}, at::kLong).to(at::kBool), kToken);
    }
    return ids;
  }

  DiffusionStep step(const json& config) {
    return DiffusionStep(*pipeline_, parse_run_config(config), {}, 0);
  }

  std::optional<Pipeline> pipeline_;
};

TEST_F(DiffusionStepTest, PredictsWhatTheModelPredictsUnlessToldOtherwise) {
  const json silent = {{"unet", {{"mode", "frozen"}}}, {"vae", {{"mode", "decoder"}}}};
  const auto told = [&](const char* prediction) {
    json config = silent;
    config["train"]["prediction"] = prediction;
    return config;
  };
  const auto losses = [&](const char* type, const json& config) {
    pipeline_->scheduler.set_prediction_type(type);
    return step(config).losses(batch()).loss;
  };
  const at::Tensor noise = losses("epsilon", silent), velocity = losses("v_prediction", silent);
  EXPECT_TRUE(pipeline_->scheduler.predicts_velocity());
  EXPECT_TRUE(at::equal(velocity, losses("epsilon", told("v"))));
  EXPECT_TRUE(pipeline_->scheduler.predicts_velocity());
  EXPECT_TRUE(at::equal(noise, losses("v_prediction", told("epsilon"))));
  EXPECT_FALSE(pipeline_->scheduler.predicts_velocity());
  EXPECT_FALSE(at::equal(noise, velocity));
}

TEST_F(DiffusionStepTest, DroppedCaptionsBecomeTheEncodedEmptyOne) {
  DiffusionStep subject = step({{"unet", {{"mode", "lora"}}}});
  TrainBatch dropped = batch();
  dropped.drop = at::tensor({1, 0, 0, 1}, at::kLong).to(at::kBool);
  const at::Tensor losses = subject.losses(dropped).loss;

  TrainBatch replaced = batch();
  const Conditioning empty = encode_prompts(*pipeline_, {""});
  for (const std::int64_t row : {0, 3}) {
    replaced.conditioning->context.select(0, row).copy_(empty.context[0]);
    replaced.conditioning->pooled.select(0, row).copy_(empty.pooled[0]);
  }
  EXPECT_TRUE(at::equal(losses, subject.losses(replaced).loss));
  EXPECT_FALSE(at::equal(losses, subject.losses(batch()).loss));
}

TEST_F(DiffusionStepTest, ANonFiniteGradientChangesNothing) {
  DiffusionStep subject = step({{"unet", {{"mode", "lora"}}}});
  TrainBatch poisoned = batch();
  poisoned.noise[1][2][3][4] = std::numeric_limits<float>::quiet_NaN();
  NamedTensors before;
  for (const auto& [name, weight] : subject.rule().weights()) {
    before.emplace_back(name, weight.detach().clone());
  }
  subject.micro(poisoned, 4);
  EXPECT_FALSE(subject.rule().apply(0).finite);
  const NamedTensors after = subject.rule().weights();
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(at::equal(before[i].second, after[i].second)) << before[i].first;
  }
  EXPECT_TRUE(subject.rule().optimizer().state().empty());
  EXPECT_TRUE(subject.rule().optimizer().gradients().empty());
}

TEST_F(DiffusionStepTest, AveragedWeightsFollowDiffusersSchedule) {
  DiffusionStep subject =
      step({{"unet", {{"mode", "lora"}, {"lr", 1e-2}}}, {"train", {{"ema_decay", 0.9}}}});
  at::Tensor expected;
  for (std::int64_t index = 0; index < 3; ++index) {
    subject.micro(batch(), 4);
    subject.rule().apply(index);
    const at::Tensor weight = subject.rule().weights()[1].second.detach();
    const double keep =
        index == 0 ? 0.0 : (1.0 + static_cast<double>(index)) / (10.0 + static_cast<double>(index));
    expected = index == 0 ? weight.clone() : expected * keep + weight * (1 - keep);
  }
  const at::Tensor average = subject.rule().averages()[1].second;
  EXPECT_LT((average - expected).abs().max().item<float>(), 1e-7);
  EXPECT_GT((average - subject.rule().weights()[1].second).abs().max().item<float>(), 1e-4);
}

TEST_F(DiffusionStepTest, AdaptersGoOnAtEqualRankAndAreMergedAtAnother) {
  DiffusionStep first = step({{"unet", {{"mode", "lora"}, {"rank", 4}, {"lr", 1e-2}}}});
  first.micro(batch(), 4);
  first.rule().apply(0);
  const at::Tensor loss = first.losses(batch()).loss;
  const at::Tensor trained = first.rule().weights()[1].second;

  DiffusionStep same = step({{"unet", {{"mode", "lora"}, {"rank", 4}}}});
  EXPECT_TRUE(same.rule().weights()[1].second.is_same(trained));
  DiffusionStep other = step({{"unet", {{"mode", "lora"}, {"rank", 8}}}});
  EXPECT_EQ(other.rule().weights()[0].second.size(0), 8);
  EXPECT_LT((other.losses(batch()).loss - loss).abs().max().item<float>(), 1e-5);
}

TEST_F(DiffusionStepTest, ALossThatIsNotFiniteChangesNothing) {
  DiffusionStep subject = step({{"unet", {{"mode", "lora"}}}});
  subject.micro(batch(), 4);
  const double infinite = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(subject.rule().apply(0, at::full({1}, infinite)).finite);
  EXPECT_TRUE(subject.rule().optimizer().state().empty());
  subject.micro(batch(), 4);
  EXPECT_TRUE(subject.rule().apply(0, at::full({1}, 1.0)).finite);
  EXPECT_FALSE(subject.rule().optimizer().state().empty());
}

TEST_F(DiffusionStepTest, ALossThatIsNotFiniteIsToldWithoutAnyGradient) {
  DiffusionStep subject = step({{"unet", {{"mode", "lora"}}}});
  const double unknown = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(subject.rule().apply(0, at::full({1}, unknown)).finite);
  EXPECT_TRUE(subject.rule().apply(0, at::full({1}, 1.0)).finite);
}

// Those of `seen` that make a host wait for its device.
std::vector<std::string> waits_among(const std::vector<std::string>& seen) {
  static const std::vector<std::string> kWaiting = {"aten::item",       "aten::_local_scalar_dense",
                                                    "aten::nonzero",    "aten::equal",
                                                    "aten::is_nonzero", "aten::masked_select"};
  std::vector<std::string> waits;
  for (const std::string& name : seen) {
    if (std::find(kWaiting.begin(), kWaiting.end(), name) != kWaiting.end()) waits.push_back(name);
  }
  return waits;
}

struct WaitingMode {
  const char* name;
  json config;
  std::vector<std::string> waits;  // of a pass
};

std::vector<WaitingMode> waiting_modes() {
  const json decoder = {{"mode", "decoder"}, {"spectrum_weight", 1.0}, {"anchor_weight", 1.0}};
  const json lora = {{"mode", "lora"}}, full = {{"mode", "full"}}, frozen = {{"mode", "frozen"}};
  const json token = {{"text", "<SAR>"}, {"train", true}};
  // Which samples are late the host knows by itself: it has the timesteps.
  const std::vector<std::string> of_timesteps = {"aten::nonzero"};
  return {
      {"lora", {{"unet", lora}}, {}},
      {"full", {{"unet", full}}, {}},
      {"bf16", {{"unet", full}, {"train", {{"precision", "bf16"}}}}, {}},
      {"recomputed", {{"unet", lora}, {"train", {{"gradient_checkpointing", "block"}}}}, {}},
      {"text", {{"unet", frozen}, {"text_encoder_1", lora}, {"text_encoder_2", full}}, {}},
      {"token", {{"unet", frozen}, {"token", token}, {"prompt", {{"uncond", "zeros"}}}}, {}},
      {"decoder", {{"unet", frozen}, {"vae", decoder}}, of_timesteps},
      {"all",
       {{"unet", lora},
        {"text_encoder_1", lora},
        {"vae", decoder},
        {"token", token},
        {"train", {{"precision", "bf16"}}}},
       of_timesteps},
  };
}

TEST_F(DiffusionStepTest, APassWaitsForNothing) {
  for (WaitingMode mode : waiting_modes()) {
    SCOPED_TRACE(mode.name);
    mode.config["train"].update({{"noise_offset", 0.05}, {"min_snr_gamma", 5.0}});
    DiffusionStep subject = step(mode.config);
    TrainBatch dropped = batch();
    dropped.drop = at::tensor({1, 0, 0, 1}, at::kLong).to(at::kBool);
    dropped.pixels = normals("pixels", {4, 3, 64, 64}).clamp(-1, 1);
    if (trains_text(parse_run_config(mode.config))) {
      dropped.conditioning.reset();
      dropped.input_ids = dropped.input_ids_2 = caption_ids();
    }
    subject.micro(dropped, 4);  // encodes the empty caption, which stays where no text trains
    const tests::OperatorsSeen seen;
    subject.micro(dropped, 4);
    EXPECT_EQ(waits_among(seen.all()), mode.waits);
    subject.rule().apply(0);
    EXPECT_GT(waits_among(seen.all()).size(), mode.waits.size()) << "nothing is counted";
  }
}

TEST_F(DiffusionStepTest, BlocksAreRecomputedInWhatAGradientPassesAndSaveMemory) {
  const Activations again = Activations::recompute, keep = Activations::keep;
  struct Row {
    json config;
    Activations unet, text, text_2, vae;
  };
  const json frozen = {{"mode", "frozen"}}, lora = {{"mode", "lora"}};
  const std::vector<Row> rows = {
      {{{"unet", lora}}, again, keep, keep, keep},
      {{{"unet", frozen}, {"text_encoder_2", lora}}, again, keep, again, keep},
      {{{"unet", frozen}, {"token", {{"text", "<SAR>"}, {"train", true}}}},
       again,
       again,
       again,
       keep},
      {{{"unet", frozen}, {"vae", {{"mode", "decoder"}}}}, keep, keep, keep, again}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.config.dump());
    std::int64_t most[2] = {};
    for (const bool block : {false, true}) {
      json config = row.config;
      config["train"]["gradient_checkpointing"] = block ? "block" : "none";
      DiffusionStep subject = step(config);
      TrainBatch given = batch();
      given.conditioning.reset();
      given.input_ids = given.input_ids_2 = at::full({4, 77}, 49407, at::kLong);
      given.pixels = normals("pixels", {4, 3, 64, 64});
      const tests::LiveBytes bytes;
      subject.micro(given, 4);
      most[block ? 1 : 0] = bytes.most();
      const auto expected = [&](Activations wanted) { return block ? wanted : keep; };
      EXPECT_EQ(pipeline_->unet.activations(), expected(row.unet));
      EXPECT_EQ(pipeline_->text_encoder.activations(), expected(row.text));
      EXPECT_EQ(pipeline_->text_encoder_2.activations(), expected(row.text_2));
      EXPECT_EQ(pipeline_->vae.activations(), expected(row.vae));
      subject.rule().discard();
    }
    EXPECT_LT(most[1], 0.7 * static_cast<double>(most[0]));
  }
}

TEST_F(DiffusionStepTest, ARunThatTrainsNothingIsRefused) {
  EXPECT_THROW(step({{"unet", {{"mode", "frozen"}}}}), Error);
}

}  // namespace
}  // namespace sarsweep::trainer
