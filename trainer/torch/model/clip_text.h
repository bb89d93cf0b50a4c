#pragma once

#include <memory>

#include "trainer/core/config/model_config.h"
#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

struct TextFeatures {
  at::Tensor hidden;  // output of the last layer but one, no final norm: [B,77,d]
  at::Tensor pooled;  // last layer -> final norm -> row of the first EOS -> projection: [B,p];
                      // undefined without a projection
};

// CLIPTextModel / CLIPTextModelWithProjection; names "text_model.…", "text_projection.weight".
class ClipText : public Component {
 public:
  // Uninitialised parameters; at::kMeta: names and shapes alone.
  explicit ClipText(ClipTextConfig config, at::Device device = at::kCPU);
  ClipText(ClipText&&) noexcept;
  ClipText& operator=(ClipText&&) noexcept;
  ~ClipText();

  TextFeatures forward(const at::Tensor& ids) const;  // [B,77] int64
  const ClipTextConfig& config() const { return config_; }

 private:
  struct Layers;
  ClipTextConfig config_;
  std::unique_ptr<Layers> layers_;
};

}  // namespace sarsweep::trainer
