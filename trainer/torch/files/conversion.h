#pragma once

#include <filesystem>
#include <optional>

#include "trainer/core/files/safetensors.h"

namespace sarsweep::trainer {

enum class FileFormat { folder, single_file, kohya_lora, peft_lora };

struct Conversion {
  // A pipeline folder, a single file, a LoRA file or a checkpoint of a run.
  std::filesystem::path from, to;
  FileFormat format = FileFormat::folder;
  std::optional<DType> dtype;  // f32, f16 or bf16; absent: as stored
  // A pipeline folder whose configuration (and tokenizers) fit a file that names none; empty: that
  // of the preset with the file's shapes, and CLIP's own tokenizers.
  std::filesystem::path config;
  std::filesystem::path vocabulary;  // open_clip's, gzip; empty: as vocabulary_file() finds it
};

// Writes `to`, which must not exist. Whole models become folders or single files, tensor by tensor,
// with no more memory than the largest ones; the adapters of a checkpoint are merged,
// and learned tokens into a folder (a single file has no tokenizer to know them). LoRA files,
// and checkpoints with adapters, become LoRA files, with the metadata that is not about the old
// format. Throws Error(invalid) naming what cannot be made of what.
void convert(const Conversion& conversion);

}  // namespace sarsweep::trainer
