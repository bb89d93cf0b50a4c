#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "trainer/core/files/safetensors.h"
#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

// What weights in a folder of their own belong to: a part of a pipeline, or a whole CLIP model.
enum class WeightKind { unet, vae, text_encoder, clip };

// The tensors in the safetensors files of one folder: one file, several with an index, or their
// fp16 or bf16 variants (the first that is there). Names of older files are understood: VAE
// attention as query/key/value/proj_attn, text encoders without "text_model.".
class PartFiles {
 public:
  // Throws Error(not_found) without a file.
  PartFiles(WeightKind kind, const std::filesystem::path& folder);

  // Throws Error(invalid) with the names of missing and unexpected tensors.
  void require_exactly(const std::vector<std::string>& names) const;
  // By a required name, of `shape`; a 1×1 convolution is taken for a linear layer's matrix. May be
  // a view of the file. Throws Error(invalid) for another shape.
  at::Tensor view(const std::string& name, at::IntArrayRef shape) const;
  DType dtype(const std::string& name) const;

 private:
  using Place = std::pair<std::size_t, std::size_t>;  // a file and an entry of it
  const TensorEntry& entry(const std::string& name) const;

  std::filesystem::path folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, Place> places_;  // by current name
  std::vector<std::string> repeated_;    // names that came twice
};

// Fills `component` from a folder, one tensor after the other. Throws as PartFiles does.
void load_weights(Component& component, WeightKind kind, const std::filesystem::path& folder);

// "diffusion_pytorch_model.safetensors", or "model.safetensors" of a text encoder and of CLIP.
std::filesystem::path weight_file(WeightKind kind, const std::filesystem::path& folder);

}  // namespace sarsweep::trainer
