#include "trainer/torch/jobs/latent_source.h"

#include <ATen/ops/cat.h>

#include <algorithm>

#include <c10/core/GradMode.h>

namespace sarsweep::trainer {

LatentSource::LatentSource(RunContext& run, const Autoencoder& vae, const Dataset& data,
                           PixelSource& pixels)
    : vae_(vae), data_(data), pixels_(pixels) {
  if (data.crops_at_random()) return;
  for (const Mirror& mirror : data.mirrors()) {
    caches_.push_back(LatentCache::open(run, vae, data, mirror));
  }
}

Moments LatentSource::moments(const std::vector<StreamSample>& samples) {
  if (caches_.empty()) {
    const c10::NoGradGuard no_grad;
    const at::Device device = vae_.parameters().front().second.device();
    const Moments encoded = vae_.encode(pixels_.pixels(samples).to(device));
    return {encoded.mean.to(at::kCPU), encoded.log_variance.to(at::kCPU)};
  }
  if (caches_.size() == 1) {
    std::vector<std::size_t> images;
    for (const StreamSample& sample : samples) images.push_back(sample.image);
    return caches_.front().moments(images);
  }
  std::vector<at::Tensor> means, log_variances;
  for (const StreamSample& sample : samples) {
    const auto kind =
        std::find(data_.mirrors().begin(), data_.mirrors().end(), pixels_.view(sample).mirror) -
        data_.mirrors().begin();
    const Moments one = caches_[static_cast<std::size_t>(kind)].moments({sample.image});
    means.push_back(one.mean);
    log_variances.push_back(one.log_variance);
  }
  return {at::cat(means), at::cat(log_variances)};
}

}  // namespace sarsweep::trainer
