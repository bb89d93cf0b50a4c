#pragma once

#include <vector>

#include "trainer/torch/jobs/latent_cache.h"
#include "trainer/torch/jobs/pixel_source.h"

namespace sarsweep::trainer {

// The posterior moments of training samples. Where the views of a picture can be counted they come
// from the cache, a file for each mirroring; under crop random every sample is encoded when it is
// its turn, since a view hardly ever comes twice. Not thread-safe.
class LatentSource {
 public:
  // Fills the cache first (latent_cache.h). The references outlive the source; the encoder must
  // not change meanwhile.
  LatentSource(RunContext& run, const Autoencoder& vae, const Dataset& data, PixelSource& pixels);

  Moments moments(const std::vector<StreamSample>& samples);  // [B,4,h,w] each, on the CPU

 private:
  const Autoencoder& vae_;
  const Dataset& data_;
  PixelSource& pixels_;
  std::vector<LatentCache> caches_;  // in the order of data.mirrors(); empty under crop random
};

}  // namespace sarsweep::trainer
