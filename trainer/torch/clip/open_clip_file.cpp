#include "trainer/torch/clip/open_clip_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <c10/core/GradMode.h>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/files/open_clip_layout.h"
#include "trainer/torch/files/name_list.h"
#include "trainer/torch/files/tensor_file.h"
#include "trainer/torch/files/vocabulary.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfig = "open_clip_config.json";
constexpr const char* kFirstTensor = "visual.conv1.weight";
constexpr std::int64_t kParts = 3;  // query, key and value
// What some files hold besides and nothing is computed from.
const std::set<std::string_view> kConstants = {"attn_mask", "input_resolution", "context_length",
                                               "vocab_size"};

// Wrappers and open_clip's other class put a word before the names.
std::string_view plain_name(std::string_view name) {
  for (const std::string_view prefix : {"module.", "text."}) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  }
  return name;
}

class OpenClipTensors {
 public:
  explicit OpenClipTensors(const fs::path& path) : path_(path), file_(path) {
    for (const TensorEntry& entry : file_.entries()) {
      entries_.emplace(plain_name(entry.name), &entry);
    }
  }

  std::optional<std::vector<std::int64_t>> shape(const std::string& name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return std::nullopt;
    return found->second->shape;
  }

  DType dtype(const std::string& name) const { return entries_.find(name)->second->dtype; }

  void require_exactly(const NamedTensors& wanted) const {
    std::set<std::string> names;
    for (const auto& [name, tensor] : wanted) names.insert(open_clip_place(name).name);
    std::vector<std::string> missing, unexpected;
    for (const std::string& name : names) {
      if (!entries_.contains(name)) missing.push_back(name);
    }
    for (const auto& [name, entry] : entries_) {
      const bool known = names.contains(std::string(name)) || kConstants.contains(name);
      if (!known) unexpected.emplace_back(entry->name);
    }
    if (!missing.empty()) refuse("missing " + some_of(missing));
    if (!unexpected.empty()) refuse("unexpected " + some_of(unexpected));
  }

  // The tensor in transformers' layout; may be a view of the file.
  at::Tensor read(const std::string& name, at::IntArrayRef shape) const {
    const OpenClipPlace place = open_clip_place(name);
    const TensorEntry& entry = *entries_.find(place.name)->second;
    at::Tensor value = view_tensor(file_, entry);
    if (place.part >= 0 && value.dim() > 0 && value.size(0) % kParts == 0) {
      value = value.chunk(kParts)[static_cast<std::size_t>(place.part)];
    }
    if (place.transposed && value.dim() == 2) value = value.t();
    if (shape.empty() && value.numel() == 1) value = value.squeeze();
    if (value.sizes() == shape) return value;
    refuse(fmt::format("{} is [{}], which gives [{}] where the configuration makes it [{}]",
                       entry.name, fmt::join(entry.shape, ", "), fmt::join(value.sizes(), ", "),
                       fmt::join(shape, ", ")));
  }

 private:
  [[noreturn]] void refuse(const std::string& problem) const {
    throw Error(ErrorCode::invalid, fmt::format("the open_clip weights {} are not usable: {}",
                                                path_.string(), problem));
  }

  fs::path path_;
  SafetensorsFile file_;
  std::map<std::string_view, const TensorEntry*> entries_;  // by plain name
};

ClipConfig config_of(const fs::path& weights, const OpenClipTensors& tensors) {
  const fs::path beside = weights.parent_path() / kConfig;
  if (!fs::exists(beside)) {
    return clip_config_of_shapes([&](const std::string& name) { return tensors.shape(name); });
  }
  return parse_open_clip_config(parse_json(read_file(beside), beside.string()));
}

Tokenizer tokenizer_of(const fs::path& folder) {
  for (const char* name : {"tokenizer.json", "vocab.json"}) {
    if (fs::exists(folder / name)) return Tokenizer::from_folder(folder);
  }
  return Tokenizer::from_open_clip(vocabulary_file({}), "<|endoftext|>");
}

bool holds_open_clip(const fs::path& file) {
  const SafetensorsFile weights(file);
  for (const TensorEntry& entry : weights.entries()) {
    if (plain_name(entry.name) == kFirstTensor) return true;
  }
  return false;
}

}  // namespace

std::optional<fs::path> open_clip_weights(const fs::path& path) {
  if (fs::is_directory(path)) {
    if (!fs::exists(path / kConfig)) return std::nullopt;
    for (const char* name : {"open_clip_model.safetensors", "model.safetensors"}) {
      if (fs::exists(path / name)) return path / name;
    }
    throw Error(ErrorCode::not_found, fmt::format("{} holds {} but no open_clip_model.safetensors",
                                                  path.string(), kConfig));
  }
  if (path.extension() != ".safetensors" || !fs::exists(path) || !holds_open_clip(path)) {
    return std::nullopt;
  }
  return path;
}

ClipConfig open_clip_config(const fs::path& weights) {
  return config_of(weights, OpenClipTensors(weights));
}

DType open_clip_dtype(const fs::path& weights) {
  return OpenClipTensors(weights).dtype(kFirstTensor);
}

ClipModel load_open_clip(const fs::path& weights) {
  const OpenClipTensors tensors(weights);
  ClipModel model =
      empty_clip(config_of(weights, tensors), tokenizer_of(fs::absolute(weights).parent_path()));
  const NamedTensors targets = clip_tensors(model);
  tensors.require_exactly(targets);
  const c10::NoGradGuard no_grad;
  for (const auto& [name, target] : targets) target.copy_(tensors.read(name, target.sizes()));
  return model;
}

}  // namespace sarsweep::trainer
