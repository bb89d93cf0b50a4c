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

std::string old_vae_name(const std::string& name) {
  std::string old = replaced(name, ".to_q.", ".query.");
  old = replaced(old, ".to_k.", ".key.");
  old = replaced(old, ".to_v.", ".value.");
  return replaced(old, ".to_out.0.", ".proj_attn.");
}

// Of the VAE's attentions.
bool is_projection(const std::string& name, const at::Tensor& tensor) {
  return name.find(".attentions.") != std::string::npos && tensor.dim() == 2;
}

TEST_F(WeightFiles, VaeAttentionIsReadUnderItsOldNamesAndAsConvolutions) {
  constexpr std::int64_t kProjections = 8;  // four each of encoder and decoder
  const Autoencoder source = tiny_vae(1);
  for (const std::int64_t kernel : {0, 1, 3}) {  // 0: matrices
    NamedTensors old;
    std::int64_t convolutions = 0;
    for (const auto& [name, tensor] : source.parameters()) {
      const bool convolution = kernel > 0 && is_projection(name, tensor);
      const at::Tensor stored =
          convolution ? tensor.view({tensor.size(0), -1, 1, 1}).repeat({1, 1, kernel, kernel})
                      : tensor;
      if (convolution) ++convolutions;
      old.emplace_back(old_vae_name(name), stored);
    }
    EXPECT_EQ(convolutions, kernel > 0 ? kProjections : 0);
    save(WeightKind::vae, old);
    Autoencoder target = tiny_vae(2);
    if (kernel == 3) {
      EXPECT_THAT(refusal(target, WeightKind::vae), HasSubstr(".query.weight' has shape"));
      continue;
    }
    load_weights(target, WeightKind::vae, folder_);
    expect_equal(source, target);
  }
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

TEST_F(WeightFiles, VariantsAreReadInOneFileAndInShards) {
  const Autoencoder source = tiny_vae(1);
  const std::pair<std::string, DType> variants[] = {{"fp16", DType::f16}, {"bf16", DType::bf16}};
  for (const auto& [variant, dtype] : variants) {
    SCOPED_TRACE(variant);
    const fs::path single = folder_ / ("diffusion_pytorch_model." + variant + ".safetensors");
    save_tensors(single, source.parameters(), dtype);
    Autoencoder whole = tiny_vae(2), sharded = tiny_vae(3);
    load_weights(whole, WeightKind::vae, folder_);
    for (const auto& [name, tensor] : source.parameters()) {
      const at::Tensor narrow = tensor.to(scalar_type(dtype)).to(at::kFloat);
      EXPECT_TRUE(narrow.equal(whole.parameter(name))) << name;
    }
    fs::remove(single);

    NamedTensors shards[2];
    nlohmann::json map;
    const auto shard_name = [&](std::size_t i) {
      return "diffusion_pytorch_model." + variant + "-0000" + std::to_string(i + 1) +
             "-of-00002.safetensors";
    };
    for (std::size_t i = 0; i < source.parameters().size(); ++i) {
      shards[i % 2].push_back(source.parameters()[i]);
      map[source.parameters()[i].first] = shard_name(i % 2);
    }
    for (std::size_t i = 0; i < 2; ++i) save_tensors(folder_ / shard_name(i), shards[i], dtype);
    const fs::path index =
        folder_ / ("diffusion_pytorch_model.safetensors.index." + variant + ".json");
    write_file_atomically(index, nlohmann::json{{"weight_map", map}}.dump());
    load_weights(sharded, WeightKind::vae, folder_);
    expect_equal(whole, sharded);
    fs::remove(index);
  }
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
