#include "trainer/torch/files/weight_files.h"

#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "trainer/torch/files/tensor_file.h"
#include "trainer/torch/model/autoencoder.h"
#include "trainer/torch/model/clip_text.h"
#include "trainer/torch/model/initial_weights.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class WeightFiles : public testing::Test {
 protected:
  WeightFiles() {
    std::string name = (fs::temp_directory_path() / "sarsweep-weights-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    folder_ = name;
  }
  ~WeightFiles() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  void save(WeightKind kind, const NamedTensors& tensors) const {
    save_tensors(weight_file(kind, folder_), tensors, DType::f32);
  }

  std::string refusal(Component& component, WeightKind kind) const {
    try {
      load_weights(component, kind, folder_);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  fs::path folder_;
};

Autoencoder tiny_vae(std::uint64_t seed) {
  Autoencoder vae(parse_vae_config(preset_configs("tiny").at("vae")));
  draw_initial_weights(vae, "vae", seed);
  return vae;
}

ClipText tiny_text(std::uint64_t seed) {
  nlohmann::json config = preset_configs("tiny").at("text_encoder_2");
  config["vocab_size"] = 100;
  ClipText text(parse_clip_text_config(config, true));
  draw_initial_weights(text, "text", seed);
  return text;
}

void expect_equal(const Component& a, const Component& b) {
  for (const auto& [name, tensor] : a.parameters()) {
    EXPECT_TRUE(tensor.equal(b.parameter(name))) << name;
  }
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST_F(WeightFiles, VaeAttentionIsReadUnderItsOldNames) {
  const Autoencoder source = tiny_vae(1);
  NamedTensors old;
  for (const auto& [name, tensor] : source.parameters()) {
    std::string renamed = replaced(name, ".to_q.", ".query.");
    renamed = replaced(renamed, ".to_k.", ".key.");
    renamed = replaced(renamed, ".to_v.", ".value.");
    old.emplace_back(replaced(renamed, ".to_out.0.", ".proj_attn."), tensor);
  }
  save(WeightKind::vae, old);
  Autoencoder target = tiny_vae(2);
  load_weights(target, WeightKind::vae, folder_);
  expect_equal(source, target);
}

TEST_F(WeightFiles, TextEncodersAreReadWithAndWithoutPrefixAndWithPositionIds) {
  const ClipText source = tiny_text(1);
  for (const bool prefixed : {true, false}) {
    NamedTensors tensors;
    for (const auto& [name, tensor] : source.parameters()) {
      tensors.emplace_back(prefixed ? name : replaced(name, "text_model.", ""), tensor);
    }
    const std::string prefix = prefixed ? "text_model." : "";
    tensors.emplace_back(prefix + "embeddings.position_ids", at::ones({1, 77}, at::kLong));
    save(WeightKind::text_encoder, tensors);
    ClipText target = tiny_text(2);
    load_weights(target, WeightKind::text_encoder, folder_);
    expect_equal(source, target);
  }
}

TEST_F(WeightFiles, ShardsAreReadThroughTheirIndex) {
  const Autoencoder source = tiny_vae(1);
  NamedTensors shards[2];
  nlohmann::json map;
  for (std::size_t i = 0; i < source.parameters().size(); ++i) {
    shards[i % 2].push_back(source.parameters()[i]);
    map[source.parameters()[i].first] = i % 2 == 0 ? "a.safetensors" : "b.safetensors";
  }
  save_tensors(folder_ / "a.safetensors", shards[0], DType::f32);
  save_tensors(folder_ / "b.safetensors", shards[1], DType::f32);
  const fs::path index = folder_ / "diffusion_pytorch_model.safetensors.index.json";
  write_file_atomically(index, nlohmann::json{{"weight_map", map}}.dump());
  Autoencoder target = tiny_vae(2);
  load_weights(target, WeightKind::vae, folder_);
  expect_equal(source, target);

  map["x"] = "../b.safetensors";
  write_file_atomically(index, nlohmann::json{{"weight_map", map}}.dump());
  EXPECT_THAT(refusal(target, WeightKind::vae), HasSubstr("../b.safetensors"));
}

TEST_F(WeightFiles, MissingAndUnexpectedTensorsAreNamed) {
  Autoencoder vae = tiny_vae(1);
  NamedTensors tensors = vae.parameters();
  tensors.front().first = "encoder.conv_im.weight";
  save(WeightKind::vae, tensors);
  EXPECT_THAT(refusal(vae, WeightKind::vae), AllOf(HasSubstr("missing encoder.conv_in.weight;"),
                                                   HasSubstr("unexpected encoder.conv_im.weight")));
}

TEST_F(WeightFiles, LongListsOfMissingTensorsAreCutAndCounted) {
  Autoencoder vae = tiny_vae(1);
  save(WeightKind::vae, {vae.parameters().front()});
  EXPECT_THAT(refusal(vae, WeightKind::vae),
              AllOf(HasSubstr("and 237 more"), Not(HasSubstr("unexpected"))));
}

TEST_F(WeightFiles, AnotherShapeIsRefusedByName) {
  Autoencoder vae = tiny_vae(1);
  NamedTensors tensors = vae.parameters();
  tensors.front().second = at::ones({5});
  save(WeightKind::vae, tensors);
  EXPECT_THAT(refusal(vae, WeightKind::vae), HasSubstr("'encoder.conv_in.weight' has shape [5]"));
}

TEST_F(WeightFiles, AnEmptyFolderIsNamed) {
  Autoencoder vae = tiny_vae(1);
  EXPECT_THAT(refusal(vae, WeightKind::vae), HasSubstr(folder_.string()));
}

}  // namespace
}  // namespace sarsweep::trainer
