#include "trainer/torch/files/weight_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/torch/files/name_list.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTextPrefix = "text_model.";
constexpr std::string_view kPositionIds = "embeddings.position_ids";  // a constant of old files

struct Renamed {
  std::string_view old_part, new_part;
};
constexpr std::array<Renamed, 4> kOldVaeAttention = {{{".query.", ".to_q."},
                                                      {".key.", ".to_k."},
                                                      {".value.", ".to_v."},
                                                      {".proj_attn.", ".to_out.0."}}};

std::string current_vae_name(std::string name) {
  if (name.find(".attentions.") == std::string::npos) return name;
  for (const auto& [old_part, new_part] : kOldVaeAttention) {
    const std::size_t at = name.find(old_part);
    if (at != std::string::npos) name.replace(at, old_part.size(), new_part);
  }
  return name;
}

std::string current_text_name(const std::string& name) {
  const bool complete = name.starts_with(kTextPrefix) || name.starts_with("text_projection.");
  return complete ? name : std::string(kTextPrefix) + name;
}

std::string current_name(WeightKind kind, const std::string& name) {
  switch (kind) {
    case WeightKind::unet: return name;
    case WeightKind::vae: return current_vae_name(name);
    case WeightKind::text_encoder: return current_text_name(name);
    case WeightKind::clip: return name;
  }
  return name;
}

bool is_of_transformers(WeightKind kind) {
  return kind == WeightKind::text_encoder || kind == WeightKind::clip;
}

std::string stem_of(WeightKind kind) {
  return is_of_transformers(kind) ? "model" : "diffusion_pytorch_model";
}

std::vector<fs::path> files_of_index(const fs::path& index) {
  const nlohmann::json document = parse_json(read_file(index), index.string());
  const auto map = document.find("weight_map");
  if (map == document.end() || !map->is_object()) {
    throw Error(ErrorCode::invalid, fmt::format("{} has no weight_map", index.string()));
  }
  std::set<fs::path> files;
  for (const auto& file : *map) {
    const fs::path name = file.is_string() ? file.get<std::string>() : std::string();
    if (name.empty() || name.has_parent_path()) {
      throw Error(ErrorCode::invalid,
                  fmt::format("{}: weight_map names {}, which is no file beside it", index.string(),
                              file.dump()));
    }
    files.insert(index.parent_path() / name);
  }
  return {files.begin(), files.end()};
}

std::vector<fs::path> find_files(WeightKind kind, const fs::path& folder) {
  const std::string stem = stem_of(kind);
  for (const std::string variant : {"", ".fp16", ".bf16"}) {
    const fs::path single = folder / (stem + variant + ".safetensors");
    if (fs::exists(single)) return {single};
    const fs::path index = folder / (stem + ".safetensors.index" + variant + ".json");
    if (fs::exists(index)) return files_of_index(index);
  }
  throw Error(
      ErrorCode::not_found,
      fmt::format("{} holds neither {}.safetensors nor an index of it", folder.string(), stem));
}

std::string shape_text(at::IntArrayRef shape) {
  return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", "));
}

}  // namespace

PartFiles::PartFiles(WeightKind kind, const fs::path& folder) : folder_(folder) {
  for (const fs::path& path : find_files(kind, folder)) files_.emplace_back(path);
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const std::vector<TensorEntry>& entries = files_[i].entries();
    for (std::size_t j = 0; j < entries.size(); ++j) {
      const std::string name = current_name(kind, entries[j].name);
      if (is_of_transformers(kind) && name.ends_with(kPositionIds)) continue;
      if (!places_.emplace(name, Place{i, j}).second) repeated_.push_back(entries[j].name);
    }
  }
}

void PartFiles::require_exactly(const std::vector<std::string>& names) const {
  const std::set<std::string> wanted(names.begin(), names.end());
  std::vector<std::string> missing;
  std::vector<std::string> unexpected = repeated_;
  for (const std::string& name : wanted) {
    if (!places_.contains(name)) missing.push_back(name);
  }
  for (const auto& [name, place] : places_) {
    if (!wanted.contains(name)) unexpected.push_back(entry(name).name);
  }
  if (missing.empty() && unexpected.empty()) return;
  std::string problem =
      fmt::format("the weights of {} do not fit its config.json:", folder_.string());
  if (!missing.empty()) problem += " missing " + some_of(missing) + ";";
  if (!unexpected.empty()) problem += " unexpected " + some_of(unexpected) + ";";
  problem.pop_back();
  throw Error(ErrorCode::invalid, problem);
}

// Files of the original release keep attention projections as 1×1 convolutions.
at::Tensor PartFiles::view(const std::string& name, at::IntArrayRef shape) const {
  const TensorEntry& found = entry(name);
  const at::Tensor stored = view_tensor(files_[places_.at(name).first], found);
  const bool pointwise =
      stored.dim() == 4 && shape.size() == 2 && stored.size(2) == 1 && stored.size(3) == 1;
  at::Tensor value = pointwise ? stored.flatten(1) : stored;
  if (value.sizes() == shape) return value;
  throw Error(
      ErrorCode::invalid,
      fmt::format("{}: tensor '{}' has shape {}, the configuration makes it {}", folder_.string(),
                  found.name, shape_text(stored.sizes()), shape_text(shape)));
}

DType PartFiles::dtype(const std::string& name) const { return entry(name).dtype; }

const TensorEntry& PartFiles::entry(const std::string& name) const {
  const auto [file, index] = places_.at(name);
  return files_[file].entries()[index];
}

void load_weights(Component& component, WeightKind kind, const fs::path& folder) {
  const PartFiles files(kind, folder);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : component.parameters()) names.push_back(name);
  files.require_exactly(names);
  for (const auto& [name, tensor] : component.parameters()) {
    component.set(name, files.view(name, tensor.sizes()));
  }
}

fs::path weight_file(WeightKind kind, const fs::path& folder) {
  return folder / (stem_of(kind) + ".safetensors");
}

}  // namespace sarsweep::trainer
