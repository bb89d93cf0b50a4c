#include "trainer/torch/clip/clip_vision.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <utility>

#include <ATen/ops/conv2d.h>

#include "trainer/torch/model/clip_layer.h"
#include "trainer/torch/model/norm.h"

namespace sarsweep::trainer {
struct ClipVision::Layers {
  Layers(Component& owner, const ClipVisionConfig& config)
      : class_token(
            owner.add_parameter("vision_model.embeddings.class_embedding", {config.hidden_size})),
        patches(owner.add_parameter("vision_model.embeddings.patch_embedding.weight",
                                    {config.hidden_size, 3, config.patch_size, config.patch_size})),
        positions(owner.add_parameter("vision_model.embeddings.position_embedding.weight",
                                      {1 + config.patches(), config.hidden_size})),
        // The name has been spelled so since transformers' first release of the model.
        first_norm(owner, "vision_model.pre_layrnorm", config.hidden_size, config.layer_norm_eps),
        encoder(make_clip_layers(owner, "vision_model.encoder.layers", config, Mask::none)),
        last_norm(owner, "vision_model.post_layernorm", config.hidden_size, config.layer_norm_eps),
        projection(owner.add_linear("visual_projection", config.hidden_size, config.projection_dim,
                                    false)) {}

  at::Tensor class_token, patches, positions;
  LayerNorm first_norm;
  std::vector<ClipLayer> encoder;
  LayerNorm last_norm;
  const Layer* projection;
};

ClipVision::ClipVision(ClipVisionConfig config, at::Device device)
    : Component(device),
      config_(std::move(config)),
      layers_(std::make_unique<Layers>(*this, config_)) {}

ClipVision::ClipVision(ClipVision&&) noexcept = default;
ClipVision& ClipVision::operator=(ClipVision&&) noexcept = default;
ClipVision::~ClipVision() = default;

at::Tensor ClipVision::forward(const at::Tensor& pixels, at::ScalarType type) const {
  const std::int64_t stride = config_.patch_size;
  const at::Tensor patches =
      at::conv2d(pixels.to(type), layers_->patches.to(type), at::Tensor(), {stride, stride})
          .flatten(2)
          .transpose(1, 2);
  const at::Tensor first =
      layers_->class_token.to(type).expand({pixels.size(0), 1, config_.hidden_size});
  at::Tensor x = at::cat({first, patches}, 1) + layers_->positions.to(type);
  x = layers_->first_norm(x);
  for (const ClipLayer& layer : layers_->encoder) x = layer(x);
  return (*layers_->projection)(layers_->last_norm(x.select(1, 0)));
}

}  // namespace sarsweep::trainer
