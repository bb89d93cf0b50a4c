#include "trainer/torch/jobs/pictures.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <algorithm>

#include <c10/core/GradMode.h>

namespace sarsweep::trainer {

at::Tensor pixels_of(const AmplitudeImage& stretched) {
  const std::int64_t count = std::int64_t{stretched.height} * stretched.width;
  at::Tensor pixels = at::empty({3, stretched.height, stretched.width}, at::kFloat);
  float* out = pixels.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) out[i] = 2 * stretched.pixels[i] - 1;
  std::copy_n(out, count, out + count);
  std::copy_n(out, count, out + 2 * count);
  return pixels;
}

at::Tensor pixels_of(const std::vector<AmplitudeImage>& stretched) {
  std::vector<at::Tensor> all;
  all.reserve(stretched.size());
  for (const AmplitudeImage& image : stretched) all.push_back(pixels_of(image));
  return at::stack(all);
}

AmplitudeImage amplitude_of(const at::Tensor& pixels) {
  const c10::NoGradGuard no_grad;
  const at::Tensor mean =
      ((pixels.to(at::kCPU, at::kFloat).mean(0) + 1) * 0.5).clamp(0, 1).contiguous();
  AmplitudeImage image;
  image.height = static_cast<int>(mean.size(0));
  image.width = static_cast<int>(mean.size(1));
  const float* values = mean.const_data_ptr<float>();
  image.pixels.assign(values, values + mean.numel());
  return image;
}

std::vector<AmplitudeImage> reconstruct(const Autoencoder& vae,
                                        const std::vector<AmplitudeImage>& stretched) {
  const c10::NoGradGuard no_grad;
  const at::Tensor& weight = vae.parameters().front().second;
  const at::Tensor passed = vae.decode(vae.encode(pixels_of(stretched).to(weight.options())).mean);
  std::vector<AmplitudeImage> images;
  for (std::int64_t i = 0; i < passed.size(0); ++i) images.push_back(amplitude_of(passed[i]));
  return images;
}

}  // namespace sarsweep::trainer
