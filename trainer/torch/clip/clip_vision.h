#pragma once

#include <memory>

#include "trainer/core/config/clip_config.h"
#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

// transformers' CLIPVisionModelWithProjection; names "vision_model.…", "visual_projection.weight".
class ClipVision : public Component {
 public:
  // Uninitialised parameters; at::kMeta: names and shapes alone.
  explicit ClipVision(ClipVisionConfig config, at::Device device = at::kCPU);
  ClipVision(ClipVision&&) noexcept;
  ClipVision& operator=(ClipVision&&) noexcept;
  ~ClipVision();

  // pixels [B,3,S,S], normalised; computes in `type` -> the projected class token [B,p].
  at::Tensor forward(const at::Tensor& pixels, at::ScalarType type = at::kFloat) const;
  const ClipVisionConfig& config() const { return config_; }

 private:
  struct Layers;
  ClipVisionConfig config_;
  std::unique_ptr<Layers> layers_;
};

}  // namespace sarsweep::trainer
