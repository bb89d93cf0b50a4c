#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// The images of one pass with all randomness supplied; fp32 unless said otherwise. A tensor that a
// job does not read stays undefined.
struct TrainBatch {
  // Diffusion reads latents, or pixels with posterior noise; job vae reads the latter. Decoder
  // refinement reads the pixels of images below vae.t_max beside either.
  at::Tensor latents;          // [B,4,h,w], scaled
  at::Tensor pixels;           // [B,3,H,W] in [-1,1]
  at::Tensor posterior_noise;  // [B,4,h,w]

  at::Tensor noise;         // [B,4,h,w]
  at::Tensor offset_noise;  // [B,4,1,1], unscaled; read where train.noise_offset > 0
  at::Tensor timesteps;     // [B] int64, on the CPU always: which images are refined is the host's
  at::Tensor time_ids;      // [B,6] = H, W, top, left, target H, target W

  // Captions: ids, or what they encode to (cached; only while no text encoder is trained).
  at::Tensor input_ids, input_ids_2;  // [B,77] int64
  std::optional<Conditioning> conditioning;
  at::Tensor drop;  // [B] bool or u8: caption dropped, by prompt.uncond; undefined: of none

  std::int64_t size() const;
};

// Rows [begin, begin + size) of every tensor (views).
TrainBatch rows_of(const TrainBatch& batch, std::int64_t begin, std::int64_t size);
// Every tensor on `device`, but the timesteps.
TrainBatch to_device(const TrainBatch& batch, at::Device device);

}  // namespace sarsweep::trainer
