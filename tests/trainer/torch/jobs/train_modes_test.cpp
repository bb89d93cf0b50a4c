// `sarsweep-trainer train RUN_DIR` with what trains beside networks: the VAE's
// decoder, learned tokens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "tests/support/referee.h"
#include "tests/support/trainer_process.h"
#include "trainer/core/files/safetensors.h"

namespace sarsweep::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;

constexpr int kUpdates = 6;

std::string trainer_path() { return std::string(SARSWEEP_BINARY_DIR) + "/bin/sarsweep-trainer"; }

std::vector<json> events_of(const fs::path& run_dir, const std::string& type) {
  std::vector<json> chosen;
  std::ifstream in(run_dir / "events.jsonl");
  for (std::string line; std::getline(in, line);) {
    json event = json::parse(line);
    if (event["type"] == type) chosen.push_back(std::move(event));
  }
  return chosen;
}

fs::path checkpoint(const fs::path& run_dir, int step) {
  return run_dir / "checkpoints" / ("step-0000000" + std::to_string(step));
}

std::string weights_of(const fs::path& run_dir, int step = kUpdates) {
  return read_file(checkpoint(run_dir, step) / "weights.safetensors");
}

std::set<std::string> names_in(const fs::path& file) {
  std::set<std::string> names;
  const trainer::SafetensorsFile tensors(file);
  for (const auto& entry : tensors.entries()) names.insert(entry.name);
  return names;
}

std::string bytes_of(const fs::path& file, const std::string& name) {
  const trainer::SafetensorsFile tensors(file);
  const trainer::TensorEntry* entry = tensors.find(name);
  if (entry == nullptr) return {};
  return {reinterpret_cast<const char*>(tensors.data(*entry)), entry->end - entry->begin};
}

class TrainModes : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!open_clip_vocabulary())
      GTEST_SKIP() << "the open_clip vocabulary of .venv is not installed";
    shared_ = std::make_unique<TemporaryFolder>();
    call({"synthesize", "--out", *shared_ / "data", "--per-label", "6", "--size", "64"});
    call({"init", "--preset", "tiny", "--out", *shared_ / "tiny", "--seed", "1", "--vocab",
          open_clip_vocabulary()->string()});
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static std::string call(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), trainer_path());
    const ProcessResult result = run_process(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return result.output;
  }

  static json run_document(const json& config) {
    json document = {{"run_id", "r1"},
                     {"name", "modes"},
                     {"seed", 3},
                     {"device", "cpu"},
                     {"threads", 1},
                     {"cache_dir", *shared_ / "cache"},
                     {"resume", json::array()},
                     {"config",
                      {{"model", {{"path", *shared_ / "tiny"}}},
                       {"data",
                        {{"path", *shared_ / "data"},
                         {"resolution", 64},
                         {"stretch", "mean3sigma"},
                         {"scale_column", "scale"}}},
                       {"unet", {{"mode", "frozen"}}},
                       {"train", {{"steps", kUpdates}, {"global_batch", 4}, {"micro_batch", 2}}},
                       {"checkpoint", {{"every", 2}}},
                       {"samples", {{"steps", 2}, {"prompts", {"a SAR image of a ship"}}}},
                       {"export", {{"pipeline", "folder"}, {"dtype", "fp32"}}}}}};
    document["config"].merge_patch(config);
    return document;
  }

  fs::path make_run(const std::string& name, const json& document) {
    fs::create_directories(folder_ / name);
    write_file_atomically(folder_ / name / "run.json", document.dump());
    return folder_ / name;
  }
  fs::path train(const std::string& name, const json& document, int expected = 0) {
    const fs::path run_dir = make_run(name, document);
    EXPECT_EQ(RunningProcess({trainer_path(), "train", run_dir.string()}).wait(), expected)
        << read_file(run_dir / "events.jsonl");
    return run_dir;
  }
  // The attempt after one that ended with the checkpoint of `step`.
  fs::path resume(const fs::path& run_dir, int step, json document) {
    for (const json& event : events_of(run_dir, "checkpoint")) {
      if (event["step"] != step) continue;
      document["resume"] = {{{"checkpoint", run_dir / event["path"].get<std::string>()},
                             {"step", step},
                             {"manifest_sha256", event["manifest_sha256"]}}};
    }
    return train("resumed", document);
  }
  std::size_t latent_files() const {
    const fs::directory_iterator files(*shared_ / "cache/latents");
    return static_cast<std::size_t>(std::count_if(begin(files), end(files), [](const auto& entry) {
      return entry.path().extension() == ".safetensors";
    }));
  }

  static std::unique_ptr<TemporaryFolder> shared_;
  TemporaryFolder folder_;
};

std::unique_ptr<TemporaryFolder> TrainModes::shared_;

json decoder_config() {
  return {{"vae", {{"mode", "decoder"}, {"lr", 1e-3}, {"late_share", 0.6}}}};
}

TEST_F(TrainModes, DecoderAloneIsRefinedAndResumesToTheSameBytes) {
  const json document = run_document(decoder_config());
  const fs::path run = train("decoder", document);
  for (const std::string& name : names_in(checkpoint(run, kUpdates) / "weights.safetensors")) {
    EXPECT_TRUE(name.starts_with("vae.decoder.") || name.starts_with("vae.post_quant_conv."))
        << name;
  }
  bool logged = false;
  for (const json& event : events_of(run, "metrics")) {
    logged = logged || (event["values"].contains("train/rayleigh") &&
                        event["values"].contains("train/histogram_pixel_gradient"));
  }
  EXPECT_TRUE(logged);
  const fs::path second = resume(run, 2, document);
  EXPECT_TRUE(weights_of(second) == weights_of(run));
  EXPECT_FALSE(weights_of(run, 2) == weights_of(run));
}

TEST_F(TrainModes, DecoderIsRefinedAsAChildOfAFinishedRunOnTheSameLatents) {
  const fs::path parent =
      train("parent", run_document({{"unet", {{"mode", "lora"}, {"rank", 2}, {"lr", 1e-3}}}}));
  const std::size_t files = latent_files();
  json document = run_document(decoder_config());
  document["config"]["model"]["path"] = checkpoint(parent, kUpdates);
  const fs::path child = train("child", document);
  EXPECT_EQ(latent_files(), files);
  const fs::path before = parent / "export/pipeline", after = child / "export/pipeline";
  const std::string vae = "vae/diffusion_pytorch_model.safetensors";
  for (const char* kept : {"encoder.conv_in.weight", "quant_conv.bias"}) {
    EXPECT_TRUE(bytes_of(before / vae, kept) == bytes_of(after / vae, kept)) << kept;
  }
  for (const char* moved : {"decoder.conv_out.weight", "post_quant_conv.bias"}) {
    EXPECT_FALSE(bytes_of(before / vae, moved) == bytes_of(after / vae, moved)) << moved;
  }
  // The parent's adapters are still in the picture.
  const std::string unet = "unet/diffusion_pytorch_model.safetensors";
  EXPECT_TRUE(read_file(before / unet) == read_file(after / unet));
  EXPECT_FALSE(read_file(*shared_ / "tiny" / unet) == read_file(after / unet));
}

json token_config() {
  return {{"prompt", {{"replace", {{"A SAR image", "A <SAR> image"}}}}},
          {"token", {{"text", "<SAR>"}, {"train", true}, {"lr", 1e-2}}},
          {"text_encoder_2", {{"mode", "lora"}, {"rank", 2}, {"lr", 1e-3}}},
          {"samples", {{"prompts", {"a <SAR> image of a ship"}}}}};
}

TEST_F(TrainModes, TokenIsTrainedResumedSampledAndExported) {
  const json document = run_document(token_config());
  const fs::path run = train("token", document);
  const fs::path weights = checkpoint(run, kUpdates) / "weights.safetensors";
  EXPECT_THAT(names_in(weights), Contains("clip_l"));
  EXPECT_THAT(names_in(weights), Contains("clip_g"));
  EXPECT_TRUE(weights_of(resume(run, 2, document)) == weights_of(run));
  const fs::path embeddings = run / "export/embeddings.safetensors";
  EXPECT_EQ(names_in(embeddings), (std::set<std::string>{"clip_l", "clip_g"}));
  EXPECT_TRUE(bytes_of(embeddings, "clip_g") == bytes_of(weights, "clip_g"));
  EXPECT_FALSE(bytes_of(weights, "clip_g") ==
               bytes_of(checkpoint(run, 2) / "weights.safetensors", "clip_g"));

  // The checkpoint and the exported pipeline make the same picture of the token.
  for (const fs::path& model : {checkpoint(run, kUpdates), run / "export/pipeline"}) {
    call({"sample", "--model", model, "--prompt", "a <SAR> image", "--steps", "2", "--out",
          folder_ / ("of_" + model.filename().string()), "--size", "64"});
  }
  EXPECT_TRUE(read_file(folder_ / "of_step-00000006/00000.png") ==
              read_file(folder_ / "of_pipeline/00000.png"));
}

TEST_F(TrainModes, ChildKeepsTheTokenOfItsParent) {
  const fs::path parent = train("parent", run_document(token_config()));
  json document = run_document({{"unet", {{"mode", "lora"}, {"rank", 2}}},
                                {"samples", {{"prompts", {"a <SAR> image of a ship"}}}}});
  document["config"]["model"]["path"] = checkpoint(parent, kUpdates);
  const fs::path child = train("child", document);
  EXPECT_TRUE(read_file(parent / "export/embeddings.safetensors") ==
              read_file(child / "export/embeddings.safetensors"));
}

TEST_F(TrainModes, TokenThatNoCaptionHoldsIsRefused) {
  json document = run_document(token_config());
  document["config"]["prompt"] = json::object();
  const fs::path run = train("absent", document, 78);
  ASSERT_EQ(events_of(run, "error").size(), 1u);
  EXPECT_THAT(events_of(run, "error")[0]["message"].get<std::string>(),
              HasSubstr("no caption of " + (*shared_ / "data").string()));
}

TEST_F(TrainModes, TokenThatNobodyTrainedIsRefused) {
  json document = run_document(token_config());
  document["config"]["token"] = {{"text", "<SAR>"}};
  const fs::path run = train("untrained", document, 78);
  ASSERT_EQ(events_of(run, "error").size(), 1u);
  EXPECT_THAT(events_of(run, "error")[0]["message"].get<std::string>(),
              HasSubstr("has not learned"));
}

}  // namespace
}  // namespace sarsweep::tests
