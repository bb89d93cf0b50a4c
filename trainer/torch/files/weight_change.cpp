#include "trainer/torch/files/weight_change.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schema/base/error.h"
#include "schema/protocol/run_dir.h"
#include "trainer/core/run/checkpoint_dir.h"
#include "trainer/torch/files/change_table.h"
#include "trainer/torch/files/inspection.h"
#include "trainer/torch/files/lora_file.h"
#include "trainer/torch/files/model_source.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/single_file.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using AdapterKey = std::pair<PipelinePart, std::string>;  // of a weight
using AdapterMap = std::map<AdapterKey, Adapter>;

PipelinePart pipeline_part(LoraComponent component) {
  switch (component) {
    case LoraComponent::unet: return PipelinePart::unet;
    case LoraComponent::text_encoder: return PipelinePart::text_encoder;
    case LoraComponent::text_encoder_2: return PipelinePart::text_encoder_2;
  }
  return PipelinePart::unet;
}

AdapterMap adapters_of(const LoraLayers& layers) {
  AdapterMap adapters;
  for (const auto& [name, layer] : layers) {
    if (!layer->adapter) continue;
    adapters.emplace(AdapterKey(pipeline_part(name.component), layer->name + ".weight"),
                     *layer->adapter);
  }
  return adapters;
}

// A whole model: weights, and what its adapters add to them.
struct Model {
  json configs;
  std::shared_ptr<const TensorSource> weights;
  std::shared_ptr<void> owner;  // of the memory behind `weights`
  AdapterMap adapters;
  bool stored = false;  // the types of the tensors are those of files
};

Model open_folder(const fs::path& path) {
  json configs = read_configs(path);
  auto weights = std::make_shared<FolderTensors>(path, pipeline_tensors(configs));
  return {std::move(configs), std::move(weights), nullptr, {}, true};
}

Model open_file(const fs::path& path) {
  const SafetensorsFile file(path);
  json configs = single_file_configs(file);
  auto weights = std::make_shared<SingleFileTensors>(file, pipeline_tensors(configs));
  return {std::move(configs), std::move(weights), nullptr, {}, true};
}

Model open_checkpoint(const fs::path& path) {
  auto source = std::make_shared<ModelSource>(load_model(path));
  Model model{configs_of(source->pipeline), std::make_shared<PipelineTensors>(source->pipeline),
              source, adapters_of(lora_layers(source->pipeline)), false};
  return model;
}

Model open_model(const fs::path& path) {
  switch (model_file_kind(path)) {
    case ModelFileKind::pipeline_folder: return open_folder(path);
    case ModelFileKind::single_file: return open_file(path);
    case ModelFileKind::checkpoint: return open_checkpoint(path);
    default:
      throw Error(ErrorCode::invalid,
                  fmt::format("{} is no whole model; give a pipeline folder, SDXL in one file or a "
                              "checkpoint of a run",
                              path.string()));
  }
}

bool is_lora(const fs::path& path) {
  const ModelFileKind kind = model_file_kind(path);
  return kind == ModelFileKind::kohya_lora || kind == ModelFileKind::peft_lora;
}

// `base` with the adapters of a LoRA file in place of its own.
Model adapted(const Model& base, const fs::path& file) {
  if (!base.adapters.empty()) {
    throw Error(ErrorCode::invalid,
                fmt::format("the base has adapters of its own; compare {} with the model that it "
                            "was made for",
                            file.string()));
  }
  PipelineSkeleton skeleton(base.configs);
  load_lora(file, lora_layers(skeleton));
  Model model = base;
  model.adapters = adapters_of(lora_layers(skeleton));
  return model;
}

// alpha/rank · up · down in the shape of the layer's weight, fp64; of a convolution `up` is 1×1.
at::Tensor product_of(const Adapter& adapter, at::IntArrayRef shape) {
  const at::Tensor up = adapter.up.to(at::kCPU, at::kDouble).flatten(1);
  const at::Tensor down = adapter.down.to(at::kCPU, at::kDouble).flatten(1);
  return (at::mm(up, down) * adapter.scale()).view(shape);
}

at::Tensor weight_of(const Model& model, const PartTensor& tensor) {
  const at::Tensor weight = model.weights->read(tensor).to(at::kDouble);
  const auto adapter = model.adapters.find({tensor.part, tensor.name});
  if (adapter == model.adapters.end()) return weight;
  return weight + product_of(adapter->second, weight.sizes());
}

void require_same_shapes(const std::vector<PartTensor>& base,
                         const std::vector<PartTensor>& tuned) {
  std::map<AdapterKey, std::vector<std::int64_t>> shapes;
  for (const PartTensor& tensor : tuned) shapes[{tensor.part, tensor.name}] = tensor.shape;
  for (const PartTensor& tensor : base) {
    const auto found = shapes.find({tensor.part, tensor.name});
    if (found != shapes.end() && found->second == tensor.shape) continue;
    throw Error(ErrorCode::invalid,
                fmt::format("the models are not of one architecture: {} of the {} {}", tensor.name,
                            to_string(tensor.part),
                            found == shapes.end() ? std::string("is in the base alone")
                                                  : fmt::format("has shape [{}] and [{}]",
                                                                fmt::join(tensor.shape, ", "),
                                                                fmt::join(found->second, ", "))));
  }
}

// A sentence where the files hold a tensor in two types.
std::optional<std::string> type_difference(const Model& base, const Model& tuned,
                                           const PartTensor& tensor) {
  if (!base.stored || !tuned.stored) return std::nullopt;
  const DType before = base.weights->dtype(tensor), after = tuned.weights->dtype(tensor);
  if (before == after) return std::nullopt;
  return fmt::format(
      "{} is stored as {} in the base and as {} in the tuned model: rounding alone "
      "is a change; compare both in one type",
      tensor.name, to_string(before), to_string(after));
}

}  // namespace

fs::path checkpoint_of_run(const fs::path& path) {
  if (!fs::exists(path / run_dir::kRunJson)) return path;
  const ResumeChoice choice =
      choose_checkpoint(resume_candidates("auto", path / run_dir::kCheckpoints));
  if (choice.checkpoint) return choice.checkpoint->path;
  throw Error(ErrorCode::not_found,
              fmt::format("the run {} has no intact checkpoint", path.string()));
}

json weight_changes(const fs::path& base_path, const fs::path& tuned_path) {
  const Model base = open_model(checkpoint_of_run(base_path));
  const fs::path place = checkpoint_of_run(tuned_path);
  const Model tuned = is_lora(place) ? adapted(base, place) : open_model(place);
  const std::vector<PartTensor> tensors = pipeline_tensors(base.configs);
  require_same_shapes(tensors, pipeline_tensors(tuned.configs));
  ChangeTable table;
  json warnings = json::array();
  for (const PartTensor& tensor : tensors) {
    if (warnings.empty()) {
      if (const auto sentence = type_difference(base, tuned, tensor)) warnings.push_back(*sentence);
    }
    table.add(std::string(to_string(tensor.part)), tensor.name, weight_of(base, tensor),
              weight_of(tuned, tensor));
  }
  json document = table.document();
  document["base"] = base_path.string();
  document["tuned"] = tuned_path.string();
  document["warnings"] = std::move(warnings);
  return document;
}

}  // namespace sarsweep::trainer
