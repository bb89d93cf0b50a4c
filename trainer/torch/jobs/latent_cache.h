#pragma once

#include <cstddef>
#include <vector>

#include "trainer/core/data/dataset.h"
#include "trainer/core/files/safetensors.h"
#include "trainer/torch/jobs/run_context.h"
#include "trainer/torch/model/autoencoder.h"

namespace sarsweep::trainer {

// The latents of a training split on disk in one mirroring, made once per machine under a content
// key: digests of the VAE's encoder and of the pixels, size, crop, resize, stretch, dtype, mirror.
// Images are encoded once; a later run, one that refines the decoder or has other captions, maps
// the file. An autoencoder is not symmetric, so a mirrored picture has latents of its own: a run
// that flips opens a file for each mirroring, and shares the first with runs that do not.
// Immutable after opening.
//
// File <cache_dir>/latents/<key>.safetensors: one tensor "%08d" [8,h,w] fp32 an image, the
// posterior's mean over its log-variance, not scaled. <key>.json beside it, written last, holds its
// size and SHA-256: a file that differs is removed and built anew.
class LatentCache {
 public:
  // Waits for another process that builds the same file; a stop that is asked for meanwhile leaves
  // nothing behind. Tells a `cache` stage, and a `cache` event with the number of images that had
  // to be encoded: 0 is a hit. Throws Error(invalid) naming the pictures that cannot be read,
  // several together, or an image whose latents are not finite.
  static LatentCache open(RunContext& run, const Autoencoder& vae, const Dataset& data,
                          Mirror mirror);

  std::size_t size() const { return file_.entries().size(); }
  Moments moments(const std::vector<std::size_t>& images) const;  // [B,4,h,w] each, on the CPU

 private:
  explicit LatentCache(const std::filesystem::path& file) : file_(file) {}
  SafetensorsFile file_;
};

}  // namespace sarsweep::trainer
