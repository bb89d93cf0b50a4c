#pragma once

#include <memory>

#include "trainer/core/config/model_config.h"
#include "trainer/torch/model/component.h"
#include "trainer/torch/model/recompute.h"

namespace sarsweep::trainer {

struct Moments {
  at::Tensor mean, log_variance;  // [B,4,h,w]; log-variance clamped to [-30, 20]; not scaled
};

// diffusers' AutoencoderKL. Scaling by config().scaling_factor is the caller's.
class Autoencoder : public Component {
 public:
  // Uninitialised parameters; at::kMeta: names and shapes alone.
  explicit Autoencoder(VaeConfig config, at::Device device = at::kCPU);
  Autoencoder(Autoencoder&&) noexcept;
  Autoencoder& operator=(Autoencoder&&) noexcept;
  ~Autoencoder();

  Moments encode(const at::Tensor& pixels) const;  // [B,3,H,W] in [-1,1]
  at::Tensor decode(
      const at::Tensor& latents) const;  // [B,4,h,w] unscaled -> [B,3,H,W], not clamped
  // Of resnets, middle blocks and resamplers; keep at first.
  void set_activations(Activations activations) { activations_ = activations; }
  Activations activations() const { return activations_; }
  const VaeConfig& config() const { return config_; }
  void set_scaling_factor(double factor);  // config and its json

 private:
  struct Blocks;
  VaeConfig config_;
  Activations activations_ = Activations::keep;
  std::unique_ptr<Blocks> blocks_;
};

}  // namespace sarsweep::trainer
