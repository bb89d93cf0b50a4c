#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// How the tensors of an SDXL pipeline folder lie in the one file that the original code, and most
// tools for people, keep: "model.diffusion_model.…" (UNet), "conditioner.embedders.0.transformer.…"
// (text encoder 1), "conditioner.embedders.1.model.…" (text encoder 2 as OpenCLIP writes it),
// "first_stage_model.…" (VAE). Torch-free.
namespace sarsweep::trainer {

enum class PipelinePart { unet, vae, text_encoder, text_encoder_2 };
std::string_view to_string(PipelinePart part);  // as the part's folder

struct PartTensor {
  PipelinePart part = PipelinePart::unet;
  std::string name;  // diffusers': "down_blocks.0.resnets.0.conv1.weight"
  std::vector<std::int64_t> shape;
  auto operator<=>(const PartTensor&) const = default;
};

// What lies between the tensor of a single file and its sources.
enum class SingleFileLayout {
  same,
  pointwise,   // [out,in] is [out,in,1,1] in the single file
  transposed,  // [out,in] is [in,out]
  stacked,     // query, key and value, one below the other
  positions,   // no source: int64 0, 1, … of shape [1,n]
  logit_scale  // no source: the scalar CLIP was trained with, which nothing here computes with
};

struct SingleFileTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  SingleFileLayout layout = SingleFileLayout::same;
  std::vector<PartTensor> sources;  // one, three if stacked, none if a constant
};

// Every tensor of the single file of a pipeline that has `tensors` (all four parts, any order):
// 2,515 for SDXL. Each of `tensors` is a source exactly once. Throws Error(invalid) naming the
// first tensor whose name is none of SDXL's, or an incomplete query, key and value.
std::vector<SingleFileTensor> single_file_layout(const std::vector<PartTensor>& tensors);

}  // namespace sarsweep::trainer
