#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

#include "trainer/core/files/safetensors.h"

namespace sarsweep::trainer {

// The rows of learned tokens, as tools for SDXL exchange them: one safetensors file with "clip_l"
// for text encoder 1 and "clip_g" for text encoder 2, one row a token.
struct TokenEmbeddings {
  at::Tensor clip_l;  // [n,d1]
  at::Tensor clip_g;  // [n,d2]
};

// dtype: f32, f16 or bf16. `metadata` is written beside the tensors. Throws Error(invalid) unless
// both are matrices of as many rows.
void save_embeddings(const std::filesystem::path& file, const TokenEmbeddings& embeddings,
                     DType dtype, const std::map<std::string, std::string>& metadata = {});
// fp32 on the CPU. A vector is taken for one row. Throws Error(not_found), or Error(invalid) naming
// what the file lacks or holds besides.
TokenEmbeddings load_embeddings(const std::filesystem::path& file);

}  // namespace sarsweep::trainer
