#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

struct SampleOptions {
  std::string sampler = "euler";  // | "ddim"
  int steps = 30;
  double cfg = 5.0;      // 1: no second pass
  std::string negative;  // empty: zeros where the pipeline says force_zeros_for_empty_prompt
  int height = 1024, width = 1024;
  int batch = 4;  // pictures at once; does not change them
};

// The start noise of one picture: RandomStream(seed, "sample", item). [1,4,h,w], unit variance.
at::Tensor sample_noise(std::int64_t seed, std::int64_t item, std::int64_t height_latent,
                        std::int64_t width_latent);

// Denoises `noise` [B,4,h,w] (unit variance) for the prompts; returns scaled latents [B,4,h,w].
at::Tensor sample_latents(const Pipeline& pipeline, const Conditioning& positive,
                          const Conditioning& negative, const at::Tensor& noise,
                          const SampleOptions& options);

// Prompts to pictures [N,3,H,W] in [-1,1], clamped; picture i starts from (seeds[i], items[i]).
// `cancelled` is asked between steps; true ends with Error(busy).
at::Tensor sample_images(const Pipeline& pipeline, const std::vector<std::string>& prompts,
                         const std::vector<std::int64_t>& seeds,
                         const std::vector<std::int64_t>& items, const SampleOptions& options,
                         const std::function<bool()>& cancelled = {});

}  // namespace sarsweep::trainer
