#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "trainer/core/data/dataset.h"
#include "trainer/core/files/safetensors.h"
#include "trainer/torch/model/autoencoder.h"

namespace sarsweep::trainer {

// The latents of a training split on disk, made once per machine under a content key: digests of
// the VAE's encoder and of the images, size, crop, stretch, dtype. Images are encoded once; a later
// run, or one that refines the decoder, maps the file. Immutable after opening.
//
// File <cache_dir>/latents/<key>.safetensors: one tensor "%08d" [8,h,w] fp32 an image, the
// posterior's mean over its log-variance, not scaled.
class LatentCache {
 public:
  // Waits for another process that builds the same file. `tell(done, total)` is called between
  // batches and may throw to give up, which leaves nothing behind. Throws Error(invalid) naming an
  // image whose latents are not finite.
  static LatentCache open(const std::filesystem::path& cache_dir, const Autoencoder& vae,
                          const Dataset& data, const std::function<void(long, long)>& tell);

  std::size_t size() const { return file_.entries().size(); }
  Moments moments(const std::vector<std::size_t>& images) const;  // [B,4,h,w] each

 private:
  explicit LatentCache(const std::filesystem::path& file) : file_(file) {}
  SafetensorsFile file_;
};

}  // namespace sarsweep::trainer
