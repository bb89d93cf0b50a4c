#include "trainer/torch/clip/clip_files.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <unordered_map>
#include <utility>

#include <c10/core/GradMode.h>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "schema/protocol/run_dir.h"
#include "trainer/core/run/checkpoint_dir.h"
#include "trainer/torch/clip/open_clip_file.h"
#include "trainer/torch/files/checkpoint.h"
#include "trainer/torch/files/tensor_file.h"
#include "trainer/torch/files/weight_files.h"
#include "trainer/torch/files/whole_folder.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kConfig = "config.json";
constexpr const char* kPreprocessor = "preprocessor_config.json";
constexpr const char* kProcessor = "processor_config.json";

json read_document(const fs::path& file) { return parse_json(read_file(file), file.string()); }

bool is_checkpoint(const fs::path& path) {
  return fs::exists(fs::symlink_status(path / run_dir::kManifest));
}

bool is_transformers_folder(const fs::path& path) {
  if (!fs::exists(path / kConfig)) return false;
  const json config = read_document(path / kConfig);
  return config.is_object() && config.value("model_type", json()) == "clip";
}

// Current transformers write the image processor's part into a document of more.
json read_preprocessor(const fs::path& folder) {
  if (fs::exists(folder / kPreprocessor)) return read_document(folder / kPreprocessor);
  if (!fs::exists(folder / kProcessor)) return nullptr;
  const json whole = read_document(folder / kProcessor);
  return whole.is_object() ? whole.value("image_processor", json()) : json();
}

ClipConfig config_of_folder(const fs::path& folder) {
  return parse_clip_config(read_document(folder / kConfig), read_preprocessor(folder));
}

ClipModel load_transformers_folder(const fs::path& folder) {
  ClipModel model = empty_clip(config_of_folder(folder), Tokenizer::from_folder(folder));
  const NamedTensors targets = clip_tensors(model);
  const PartFiles files(WeightKind::clip, folder);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : targets) names.push_back(name);
  files.require_exactly(names);
  const c10::NoGradGuard no_grad;
  for (const auto& [name, target] : targets) target.copy_(files.view(name, target.sizes()));
  return model;
}

// Lays the trained tensors of a checkpoint over its base.
void overlay(const ClipModel& model, const NamedTensors& weights, const fs::path& checkpoint) {
  std::unordered_map<std::string, at::Tensor> targets;
  for (const auto& [name, tensor] : clip_tensors(model)) targets.emplace(name, tensor);
  const c10::NoGradGuard no_grad;
  for (const auto& [name, value] : weights) {
    const auto target = targets.find(name);
    if (target == targets.end() || target->second.sizes() != value.sizes()) {
      throw Error(ErrorCode::invalid,
                  fmt::format("checkpoint {}: its base has no tensor '{}' of this shape",
                              checkpoint.string(), name));
    }
    target->second.copy_(value);
  }
}

bool is_clip_checkpoint(const fs::path& path) {
  if (!is_checkpoint(path) || !fs::exists(path / "model.json")) return false;
  const json model = read_document(path / "model.json");
  return model.is_object() && model.value("family", json()) == "clip";
}

std::string base_of(const fs::path& checkpoint) {
  return read_document(checkpoint / "model.json").at("base").get<std::string>();
}

ClipPlace need_clip(const fs::path& path) {
  if (const std::optional<ClipPlace> place = find_clip(path)) return *place;
  throw Error(fs::exists(path) ? ErrorCode::invalid : ErrorCode::not_found,
              fmt::format("{} is no CLIP model; give a transformers folder (config.json of "
                          "model_type clip), open_clip's folder or weights, or a checkpoint of a "
                          "clip run",
                          path.string()),
              "model.path");
}

ClipModel load_nested(const fs::path& path, int depth) {
  require_end(path, depth);
  const ClipPlace place = need_clip(path);
  switch (place.format) {
    case ClipFormat::transformers: return load_transformers_folder(place.path);
    case ClipFormat::open_clip: return load_open_clip(place.path);
    case ClipFormat::checkpoint: break;
  }
  const CheckpointContents contents = load_checkpoint(verify_checkpoint(path));
  ClipModel model = load_nested(contents.model.at("base").get<std::string>(), depth + 1);
  overlay(model, contents.weights, path);
  return model;
}

json facts_of(const ClipVisionConfig& vision) {
  return {vision.num_attention_heads, vision.hidden_act, vision.image_size, vision.patch_size,
          vision.layer_norm_eps};
}

json facts_of(const ClipTextConfig& text) {
  return {text.num_attention_heads, text.hidden_act, text.eos_token_id, text.pools_greatest_id,
          text.layer_norm_eps};
}

}  // namespace

std::optional<ClipPlace> find_clip(const fs::path& path) {
  if (is_clip_checkpoint(path)) return ClipPlace{ClipFormat::checkpoint, path};
  if (is_checkpoint(path)) return std::nullopt;
  if (is_transformers_folder(path)) return ClipPlace{ClipFormat::transformers, path};
  if (const auto weights = open_clip_weights(path)) {
    return ClipPlace{ClipFormat::open_clip, *weights};
  }
  return std::nullopt;
}

ClipConfig read_clip_config(const ClipPlace& place) {
  ClipPlace bottom = place;
  for (int depth = 0; bottom.format == ClipFormat::checkpoint; ++depth) {
    require_end(bottom.path, depth);
    bottom = need_clip(base_of(bottom.path));
  }
  return bottom.format == ClipFormat::transformers ? config_of_folder(bottom.path)
                                                   : open_clip_config(bottom.path);
}

DType stored_dtype(const ClipPlace& place) {
  switch (place.format) {
    case ClipFormat::transformers:
      return PartFiles(WeightKind::clip, place.path).dtype("visual_projection.weight");
    case ClipFormat::open_clip: return open_clip_dtype(place.path);
    case ClipFormat::checkpoint: break;
  }
  return DType::f32;
}

ClipSource load_clip(const fs::path& path) try {
  ClipModel model = load_nested(path, 0);
  std::string digest = clip_digest(model);
  return {std::move(model), std::move(digest)};
} catch (const json::exception& error) {
  throw Error(
      ErrorCode::invalid,
      fmt::format("a document of the CLIP model {} is malformed: {}", path.string(), error.what()),
      "model.path");
}

std::string clip_digest(const ClipModel& model) {
  const ClipNormalisation& normalisation = model.config.normalisation;
  Sha256 digest;
  digest.update(canonical_json({{"vision", facts_of(model.config.vision)},
                                {"text", facts_of(model.config.text)},
                                {"mean", normalisation.mean},
                                {"std", normalisation.std}}));
  for (const auto& [name, tensor] : clip_tensors(model)) {
    const at::Tensor bytes = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
    digest.update("\n" + name + "\n");
    digest.update({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
  }
  return digest.hex();
}

void save_clip(const ClipModel& model, const fs::path& folder, DType dtype) {
  write_whole_folder(folder, [&](const fs::path& place) {
    write_file_atomically(place / kConfig, clip_config_document(model.config).dump(2) + "\n");
    write_file_atomically(place / kPreprocessor,
                          clip_preprocessor_document(model.config).dump(2) + "\n");
    model.tokenizer.save(place);
    const NamedTensors tensors = clip_tensors(model);
    save_streamed(
        weight_file(WeightKind::clip, place), tensors.size(),
        [&](std::size_t i) {
          const at::Tensor& tensor = tensors[i].second;
          return TensorToWrite{tensors[i].first, tensor.dim() == 0 ? DType::f32 : dtype,
                               tensor.sizes().vec()};
        },
        [&](std::size_t i) { return tensors[i].second; });
  });
}

}  // namespace sarsweep::trainer
