#include "trainer/torch/files/embeddings_file.h"

#include <fmt/format.h>

#include "schema/base/error.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

constexpr const char* kFirst = "clip_l";
constexpr const char* kSecond = "clip_g";

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& reason) {
  throw Error(ErrorCode::invalid,
              fmt::format("{} is not a usable embeddings file: {}", file.string(), reason));
}

void require_rows(const std::filesystem::path& file, const TokenEmbeddings& embeddings) {
  for (const auto& [name, rows] :
       {std::pair(kFirst, embeddings.clip_l), std::pair(kSecond, embeddings.clip_g)}) {
    if (rows.dim() != 2 || rows.numel() == 0 || !rows.is_floating_point()) {
      refuse(file, fmt::format("{} is no matrix of numbers, one row a token", name));
    }
  }
  if (embeddings.clip_l.size(0) == embeddings.clip_g.size(0)) return;
  refuse(file, fmt::format("{} has {} rows, {} has {}", kFirst, embeddings.clip_l.size(0), kSecond,
                           embeddings.clip_g.size(0)));
}

}  // namespace

void save_embeddings(const std::filesystem::path& file, const TokenEmbeddings& embeddings,
                     DType dtype, const std::map<std::string, std::string>& metadata) {
  require_rows(file, embeddings);
  save_tensors(file, {{kFirst, embeddings.clip_l}, {kSecond, embeddings.clip_g}}, dtype, metadata);
}

TokenEmbeddings load_embeddings(const std::filesystem::path& file) {
  const SafetensorsFile source(file);
  for (const TensorEntry& entry : source.entries()) {
    if (entry.name != kFirst && entry.name != kSecond) {
      refuse(file, fmt::format("\"{}\" is neither {} nor {}", entry.name, kFirst, kSecond));
    }
  }
  const auto rows = [&](const char* name) {
    const TensorEntry* entry = source.find(name);
    if (entry == nullptr) refuse(file, fmt::format("it has no {}; SDXL needs both", name));
    const at::Tensor stored = read_tensor(source, *entry);
    const at::Tensor matrix = stored.dim() == 1 ? stored.unsqueeze(0) : stored;
    return matrix.is_floating_point() ? matrix.to(at::kFloat) : matrix;
  };
  const TokenEmbeddings embeddings{rows(kFirst), rows(kSecond)};
  require_rows(file, embeddings);
  return embeddings;
}

}  // namespace sarsweep::trainer
