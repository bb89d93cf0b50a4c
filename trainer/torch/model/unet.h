#pragma once

#include <memory>

#include "trainer/core/config/model_config.h"
#include "trainer/torch/model/component.h"
#include "trainer/torch/model/recompute.h"

namespace sarsweep::trainer {

// SDXL's UNet2DConditionModel, built from its config; parameter names equal diffusers'.
class UNet : public Component {
 public:
  // Uninitialised parameters; at::kMeta: names and shapes alone.
  explicit UNet(UNetConfig config, at::Device device = at::kCPU);
  UNet(UNet&&) noexcept;
  UNet& operator=(UNet&&) noexcept;
  ~UNet();

  // Computes in the type of `sample`. sample [B,4,h,w]; timesteps [B] (any dtype; embedded in
  // fp32); context [B,77,cross]; pooled [B,p]; time_ids [B,6] fp32 = H, W, top, left, target H,
  // target W. Returns [B,4,h,w].
  at::Tensor forward(const at::Tensor& sample, const at::Tensor& timesteps,
                     const at::Tensor& context, const at::Tensor& pooled,
                     const at::Tensor& time_ids) const;
  const UNetConfig& config() const { return config_; }
  // Of resnets and transformer blocks; keep at first.
  void set_activations(Activations activations) { activations_ = activations; }
  Activations activations() const { return activations_; }

 private:
  struct Blocks;
  UNetConfig config_;
  Activations activations_ = Activations::keep;
  std::unique_ptr<Blocks> blocks_;
};

}  // namespace sarsweep::trainer
