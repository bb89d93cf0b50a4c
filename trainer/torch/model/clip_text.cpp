#include "trainer/torch/model/clip_text.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/where.h>

#include <c10/core/GradMode.h>

#include "trainer/torch/model/attention.h"
#include "trainer/torch/model/norm.h"

namespace sarsweep::trainer {
namespace {

Attention::Options attention_options(const ClipTextConfig& config) {
  Attention::Options options;
  options.width = config.hidden_size;
  options.context_width = config.hidden_size;
  options.heads = config.num_attention_heads;
  options.qkv_bias = true;
  options.projections = {"q_proj", "k_proj", "v_proj", "out_proj"};
  return options;
}

struct EncoderLayer {
  EncoderLayer(Component& owner, const std::string& name, const ClipTextConfig& config)
      : layer_norm1(owner, name + ".layer_norm1", config.hidden_size, config.layer_norm_eps),
        self_attn(owner, name + ".self_attn", attention_options(config)),
        layer_norm2(owner, name + ".layer_norm2", config.hidden_size, config.layer_norm_eps),
        fc1(owner.add_linear(name + ".mlp.fc1", config.hidden_size, config.intermediate_size,
                             true)),
        fc2(owner.add_linear(name + ".mlp.fc2", config.intermediate_size, config.hidden_size,
                             true)),
        quick(config.hidden_act == "quick_gelu") {}

  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor normed = layer_norm1(x);
    const at::Tensor h = x + self_attn(normed, normed, Mask::causal);
    const at::Tensor inner = (*fc1)(layer_norm2(h));
    const at::Tensor active = quick ? inner * at::sigmoid(inner * 1.702) : at::gelu(inner);
    return h + (*fc2)(active);
  }

  LayerNorm layer_norm1;
  Attention self_attn;
  LayerNorm layer_norm2;
  const Layer *fc1, *fc2;
  bool quick;  // x·σ(1.702x) instead of the exact GELU
};

std::vector<EncoderLayer> make_layers(Component& owner, const ClipTextConfig& config) {
  std::vector<EncoderLayer> layers;
  for (int i = 0; i < config.num_hidden_layers; ++i) {
    layers.emplace_back(owner, "text_model.encoder.layers." + std::to_string(i), config);
  }
  return layers;
}

}  // namespace

struct ClipText::Layers {
  Layers(Component& owner, const ClipTextConfig& config)
      : tokens(owner.add_parameter("text_model.embeddings.token_embedding.weight",
                                   {config.vocab_size, config.hidden_size})),
        positions(owner.add_parameter("text_model.embeddings.position_embedding.weight",
                                      {config.max_position_embeddings, config.hidden_size})),
        encoder(make_layers(owner, config)),
        final_norm(owner, "text_model.final_layer_norm", config.hidden_size, config.layer_norm_eps),
        projection(config.projection_dim == 0
                       ? nullptr
                       : owner.add_linear("text_projection", config.hidden_size,
                                          config.projection_dim, false)) {}

  at::Tensor tokens, positions;
  std::vector<EncoderLayer> encoder;
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
    const EncoderLayer& layer = layers_->encoder[i];
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
