#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "trainer/core/config/clip_config.h"
#include "trainer/core/images/bicubic.h"
#include "trainer/core/text/tokenizer.h"
#include "trainer/torch/clip/clip_vision.h"
#include "trainer/torch/model/clip_text.h"

// CLIP (arXiv 2103.00020): pictures and captions as unit vectors in one space, near where they
// belong together.
namespace sarsweep::trainer {

struct ClipModel {
  ClipConfig config;
  ClipText text;
  ClipVision vision;
  at::Tensor logit_scale;  // [] fp32: a logit is exp(logit_scale) times a cosine
  Tokenizer tokenizer;
};

// Uninitialised fp32 weights. Throws Error(invalid) where the tokenizer knows more tokens than the
// text tower embeds.
ClipModel empty_clip(const ClipConfig& config, Tokenizer tokenizer);
// Random weights: equal seed, equal bytes.
ClipModel init_clip(const ClipConfig& config, std::uint64_t seed,
                    const std::filesystem::path& vocabulary_gz);

// Every tensor by transformers' name: live handles.
NamedTensors clip_tensors(const ClipModel& model);
at::Device device_of(const ClipModel& model);
void move_clip(ClipModel& model, at::Device device);

// Squares of config.vision.image_size (clip_square): [N,S,S] u8.
at::Tensor clip_codes(const std::vector<EightBitImage>& squares);
// Token ids [N,L] int64, L the longest caption's: what stands behind its end changes no embedding.
at::Tensor clip_ids(const ClipModel& model, const std::vector<std::string>& captions);

// Unit rows [N,p] fp32, on the model's device; the towers compute in `type`. Gradients flow to what
// requires them. `codes` [N,S,S] u8: three equal channels, normalised. `ids` [N,L] int64.
at::Tensor embed_pictures(const ClipModel& model, const at::Tensor& codes,
                          at::ScalarType type = at::kFloat);
at::Tensor embed_captions(const ClipModel& model, const at::Tensor& ids,
                          at::ScalarType type = at::kFloat);

}  // namespace sarsweep::trainer
