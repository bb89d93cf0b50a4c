#include "trainer/torch/model/clip_text.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/where.h>

#include <c10/core/GradMode.h>

#include "trainer/torch/model/clip_layer.h"
#include "trainer/torch/model/norm.h"

namespace sarsweep::trainer {
struct ClipText::Layers {
  Layers(Component& owner, const ClipTextConfig& config)
      : tokens(owner.add_parameter("text_model.embeddings.token_embedding.weight",
                                   {config.vocab_size, config.hidden_size})),
        positions(owner.add_parameter("text_model.embeddings.position_embedding.weight",
                                      {config.max_position_embeddings, config.hidden_size})),
        encoder(make_clip_layers(owner, "text_model.encoder.layers", config, Mask::causal)),
        final_norm(owner, "text_model.final_layer_norm", config.hidden_size, config.layer_norm_eps),
        projection(config.projection_dim == 0
                       ? nullptr
                       : owner.add_linear("text_projection", config.hidden_size,
                                          config.projection_dim, false)) {}

  at::Tensor tokens, positions;
  std::vector<ClipLayer> encoder;
  LayerNorm final_norm;
  const Layer* projection;
};

ClipText::ClipText(ClipTextConfig config, at::Device device)
    : Component(device),
      config_(std::move(config)),
      layers_(std::make_unique<Layers>(*this, config_)),
      pooling_(config_.pools_greatest_id ? Pooling::argmax : Pooling::first_eos) {}

ClipText::ClipText(ClipText&&) noexcept = default;
ClipText& ClipText::operator=(ClipText&&) noexcept = default;
ClipText::~ClipText() = default;

TextFeatures ClipText::forward(const at::Tensor& ids, at::ScalarType type) const {
  at::Tensor x = (embed(ids) + layers_->positions.narrow(0, 0, ids.size(1))).to(type);
  for (std::size_t i = 0; i + 1 < layers_->encoder.size(); ++i) {
    const ClipLayer& layer = layers_->encoder[i];
    x = run_block(activations_, x, [&layer](const at::Tensor& h) { return layer(h); });
  }
  TextFeatures features{x, {}};
  if (layers_->projection == nullptr) return features;  // Nobody reads the last layer.

  const at::Tensor last = layers_->final_norm(layers_->encoder.back()(x));
  // The first of equal maxima is the first EOS.
  const at::Tensor end = pooling_ == Pooling::argmax
                             ? ids.to(at::kInt).argmax(-1)
                             : ids.eq(config_.eos_token_id).to(at::kInt).argmax(-1);
  const at::Tensor rows = at::arange(ids.size(0), at::device(ids.device()).dtype(at::kLong));
  features.pooled = (*layers_->projection)(last.index({rows, end}));
  return features;
}

at::Tensor ClipText::embed(const at::Tensor& ids) const {
  at::Tensor of_table = ids;
  for (const std::int64_t id : token_ids_) of_table = of_table.masked_fill(ids.eq(id), 0);
  at::Tensor x = at::embedding(layers_->tokens, of_table);
  for (std::size_t i = 0; i < token_ids_.size(); ++i) {
    const at::Tensor row = token_rows_[static_cast<std::int64_t>(i)].to(x.scalar_type());
    x = at::where(ids.eq(token_ids_[i]).unsqueeze(-1), row, x);
  }
  return x;
}

void ClipText::set_token_rows(std::vector<std::int64_t> ids, at::Tensor rows) {
  token_ids_ = std::move(ids);
  token_rows_ = std::move(rows);
  companions_ = {token_rows_};
}

void ClipText::set_pooling(Pooling pooling) {
  constexpr int kGreatestId = 2;  // for transformers
  pooling_ = pooling;
  if (config_.vocab_size <= config_.eos_token_id + 1) return;  // the first EOS is the greatest id
  config_.json["eos_token_id"] = pooling == Pooling::argmax ? kGreatestId : config_.eos_token_id;
}

void ClipText::replace_table(const at::Tensor& table) {
  const c10::NoGradGuard no_grad;
  layers_->tokens.set_data(table);
  config_.vocab_size = static_cast<int>(table.size(0));
  config_.json["vocab_size"] = config_.vocab_size;
  set_pooling(pooling_);
  token_ids_.clear();
  token_rows_ = at::Tensor();
  companions_.clear();
}

}  // namespace sarsweep::trainer
