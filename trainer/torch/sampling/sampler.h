#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// When the autoencoder works in tiles: `automatic` is for pictures of more than 1536² pixels.
enum class Tiles { automatic, always, never };

struct SampleOptions {
  std::string sampler = "euler";  // | "ddim" | "dpmpp_2m" | "ddpm"
  int steps = 30;
  double cfg = 5.0;      // up to 1: no second pass
  std::string negative;  // empty: zeros where the pipeline says force_zeros_for_empty_prompt
  int height = 1024, width = 1024;
  double strength = 0.3;  // of pictures that begin from another one, in (0,1]
  Tiles tiles = Tiles::automatic;
  int batch = 4;  // pictures at once on a GPU
  // Pictures at once on a CPU, if they have up to 256x256 pixels; larger ones go alone. Sums of
  // another batch size are grouped otherwise: where each goes alone, the bytes of a picture depend
  // on its own request only, and of small ones not even on the number of threads, of which each
  // makes other pictures; else the last digits depend on both.
  int cpu_batch = 1;
};

// One picture to make. All its random numbers are functions of (seed, item).
struct PictureRequest {
  std::string prompt;
  std::int64_t seed = 0, item = 0;
  at::Tensor begin;  // [3,H,W] in [-1,1], the options' size: image to image; undefined: noise alone
};

// Throws Error(invalid) with the field at fault where the model cannot be sampled so. Costs next to
// nothing.
enum class StartsFrom { noise, picture };
void check_sampling(const Pipeline& pipeline, const SampleOptions& options,
                    StartsFrom start = StartsFrom::noise);

// The unit normals of one picture, [1,4,h,w]. Of its start: RandomStream(seed, "sample", item).
at::Tensor sample_noise(std::int64_t seed, std::int64_t item, std::int64_t height_latent,
                        std::int64_t width_latent);
// Of step `step` (from 0) of ddpm: RandomStream(seed, "sample-step-<step>", item).
at::Tensor sample_step_noise(std::int64_t seed, std::int64_t item, std::size_t step,
                             std::int64_t height_latent, std::int64_t width_latent);
// Of the posterior of the picture it begins from: RandomStream(seed, "sample-posterior", item).
at::Tensor sample_posterior_noise(std::int64_t seed, std::int64_t item, std::int64_t height_latent,
                                  std::int64_t width_latent);

// Asked between steps; true ends with Error(busy).
using Cancelled = std::function<bool()>;

// The scaled latents of the pictures, [N,4,h,w]. Either every request has a `begin` or none.
at::Tensor sample_latents(const Pipeline& pipeline, const std::vector<PictureRequest>& pictures,
                          const SampleOptions& options, const Cancelled& cancelled = {});

// The pictures, [N,3,H,W] in [-1,1], clamped.
at::Tensor sample_images(const Pipeline& pipeline, const std::vector<PictureRequest>& pictures,
                         const SampleOptions& options, const Cancelled& cancelled = {});

}  // namespace sarsweep::trainer
