#include "trainer/torch/files/single_file.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/scalar_tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>
#include <utility>

#include "schema/base/error.h"
#include "trainer/core/config/clip_config.h"
#include "trainer/torch/files/name_list.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFirstConvolution = "model.diffusion_model.input_blocks.0.0.weight";
constexpr const char* kLogitScale = "conditioner.embedders.1.model.logit_scale";
constexpr std::array<std::string_view, 4> kPrefixes = {
    "model.diffusion_model.", "first_stage_model.", "conditioner.embedders.0.transformer.",
    "conditioner.embedders.1.model."};
constexpr std::array<const char*, 3> kPresets = {"sdxl", "small", "tiny"};

using EntryTable = std::unordered_map<std::string_view, const TensorEntry*>;

EntryTable entry_table(const SafetensorsFile& file) {
  EntryTable table;
  for (const TensorEntry& entry : file.entries()) table.emplace(entry.name, &entry);
  return table;
}

[[noreturn]] void refuse(const std::string& problem) {
  throw Error(ErrorCode::invalid, "the single file is not usable: " + problem);
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// The first tensor whose shape is not the layout's, as a sentence; empty if all that are there fit.
std::string contradiction(const EntryTable& table, const std::vector<SingleFileTensor>& layout) {
  for (const SingleFileTensor& tensor : layout) {
    const auto found = table.find(tensor.name);
    if (found == table.end() || found->second->shape == tensor.shape) continue;
    return fmt::format("{} has shape {}, not {}", tensor.name, shape_text(found->second->shape),
                       shape_text(tensor.shape));
  }
  return {};
}

// Constants may be missing: some tools leave them out.
void require_exactly(const EntryTable& table, const std::vector<SingleFileTensor>& layout) {
  std::vector<std::string> missing, unexpected;
  std::set<std::string_view> known;
  for (const SingleFileTensor& tensor : layout) {
    known.insert(tensor.name);
    if (!tensor.sources.empty() && !table.contains(tensor.name)) missing.push_back(tensor.name);
  }
  for (const auto& [name, entry] : table) {
    const bool ours =
        std::any_of(kPrefixes.begin(), kPrefixes.end(),
                    [name = name](std::string_view prefix) { return name.starts_with(prefix); });
    if (ours && !known.contains(name)) unexpected.emplace_back(name);
  }
  std::sort(unexpected.begin(), unexpected.end());
  if (!missing.empty()) refuse("missing " + some_of(missing));
  if (!unexpected.empty()) refuse("unexpected " + some_of(unexpected));
}

// One tensor of the single file from its sources.
at::Tensor arranged(const SingleFileTensor& tensor, const TensorSource& weights,
                    double logit_scale) {
  if (tensor.layout == SingleFileLayout::logit_scale) {
    return at::scalar_tensor(logit_scale, at::kDouble);
  }
  if (tensor.layout == SingleFileLayout::positions) {
    return at::arange(tensor.shape.back(), at::kLong).view(tensor.shape);
  }
  if (tensor.layout == SingleFileLayout::stacked) {
    std::vector<at::Tensor> rows;
    for (const PartTensor& source : tensor.sources) rows.push_back(weights.read(source));
    return at::cat(rows);
  }
  const at::Tensor value = weights.read(tensor.sources.front());
  return tensor.layout == SingleFileLayout::transposed ? value.t() : value.view(tensor.shape);
}

std::map<std::string, std::string> single_file_metadata(const json& configs) {
  const auto side = configs.at("vae").value("sample_size", 1024);
  const bool velocity = configs.at("scheduler").value("prediction_type", "") == "v_prediction";
  return {{"modelspec.sai_model_spec", "1.0.0"},
          {"modelspec.architecture", "stable-diffusion-xl-v1-base"},
          {"modelspec.implementation", "https://github.com/Stability-AI/generative-models"},
          {"modelspec.resolution", fmt::format("{}x{}", side, side)},
          {"modelspec.prediction_type", velocity ? "v" : "epsilon"}};
}

}  // namespace

json single_file_configs(const SafetensorsFile& file) {
  const EntryTable table = entry_table(file);
  if (!table.contains(kFirstConvolution)) {
    refuse(fmt::format("it holds no {}, so it is no SDXL checkpoint", kFirstConvolution));
  }
  std::string first_problem;
  for (const char* preset : kPresets) {
    json configs = preset_configs(preset);
    const std::string problem = contradiction(table, single_file_layout(pipeline_tensors(configs)));
    if (problem.empty()) {
      adopt_file_facts(file, configs);
      return configs;
    }
    if (first_problem.empty()) first_problem = problem;
  }
  refuse(
      fmt::format("it has the shapes of none of the presets (as SDXL, {}); name a folder with its "
                  "configuration",
                  first_problem));
}

void adopt_file_facts(const SafetensorsFile& file, json& configs) {
  const auto prediction = file.metadata().find("modelspec.prediction_type");
  const bool said = prediction != file.metadata().end();
  if (file.find("v_pred") != nullptr || (said && prediction->second == "v")) {
    configs["scheduler"]["prediction_type"] = "v_prediction";
  }
  const TensorEntry* scale = file.find(kLogitScale);
  if (scale == nullptr || !scale->shape.empty()) return;
  const at::Tensor stored = read_tensor(file, *scale);
  const at::Tensor usual = at::scalar_tensor(kGreatestLogitScale, stored.scalar_type());
  if (stored.equal(usual)) return;
  configs["text_encoder_2"]["logit_scale_init_value"] = stored.item<double>();
}

SingleFileTensors::SingleFileTensors(const SafetensorsFile& file,
                                     const std::vector<PartTensor>& wanted)
    : file_(file) {
  const std::vector<SingleFileTensor> layout = single_file_layout(wanted);
  const EntryTable table = entry_table(file_);
  require_exactly(table, layout);
  const std::string problem = contradiction(table, layout);
  if (!problem.empty()) refuse(problem);
  for (const SingleFileTensor& tensor : layout) {
    std::int64_t row = 0;
    for (const PartTensor& source : tensor.sources) {
      places_.emplace(std::pair(source.part, source.name),
                      Place{table.at(tensor.name), tensor.layout, row});
      row += source.shape.at(0);
    }
  }
}

const SingleFileTensors::Place& SingleFileTensors::place(const PartTensor& tensor) const {
  const auto found = places_.find({tensor.part, tensor.name});
  if (found != places_.end()) return found->second;
  throw Error(ErrorCode::invalid, fmt::format("the single file has no tensor '{}' of the {}",
                                              tensor.name, to_string(tensor.part)));
}

DType SingleFileTensors::dtype(const PartTensor& tensor) const {
  return place(tensor).entry->dtype;
}

at::Tensor SingleFileTensors::read(const PartTensor& tensor) const {
  const Place& found = place(tensor);
  const at::Tensor stored = view_tensor(file_, *found.entry);
  if (found.layout == SingleFileLayout::transposed) return stored.t();
  if (found.layout != SingleFileLayout::stacked) return stored.view(tensor.shape);
  return stored.narrow(0, found.row, tensor.shape.at(0));
}

Pipeline load_single_file(const fs::path& file, const fs::path& vocabulary_gz) {
  const SafetensorsFile source(file);
  Pipeline pipeline = empty_pipeline(make_documents(single_file_configs(source), vocabulary_gz));
  const std::vector<PartTensor> wanted = pipeline_tensors(pipeline);
  const SingleFileTensors weights(source, wanted);
  for (const PartTensor& tensor : wanted) {
    part_of(pipeline, tensor.part).set(tensor.name, weights.read(tensor));
  }
  return pipeline;
}

void save_single_file(const json& configs, const TensorSource& weights, const fs::path& file,
                      std::optional<DType> dtype,
                      const std::map<std::string, std::string>& metadata) {
  const double logit_scale =
      configs.at("text_encoder_2").value("logit_scale_init_value", kGreatestLogitScale);
  const std::vector<SingleFileTensor> layout = single_file_layout(pipeline_tensors(configs));
  const auto type_of = [&](const SingleFileTensor& tensor) {
    if (tensor.layout == SingleFileLayout::positions) return DType::i64;
    // The scale follows its neighbours.
    const PartTensor beside{PipelinePart::text_encoder_2, "text_model.final_layer_norm.weight", {}};
    return dtype.value_or(weights.dtype(tensor.sources.empty() ? beside : tensor.sources.front()));
  };
  std::map<std::string, std::string> all = metadata;
  all.merge(single_file_metadata(configs));
  save_streamed(
      file, layout.size(),
      [&](std::size_t i) {
        return TensorToWrite{layout[i].name, type_of(layout[i]), layout[i].shape};
      },
      [&](std::size_t i) { return arranged(layout[i], weights, logit_scale); }, all);
}

void save_single_file(const Pipeline& pipeline, const fs::path& file, DType dtype,
                      const std::map<std::string, std::string>& metadata) {
  save_single_file(configs_of(pipeline), PipelineTensors(pipeline), file, dtype, metadata);
}

}  // namespace sarsweep::trainer
