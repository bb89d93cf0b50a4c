#include "trainer/torch/model/autoencoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>

#include "trainer/torch/model/attention.h"
#include "trainer/torch/model/norm.h"
#include "trainer/torch/model/resnet.h"

namespace sarsweep::trainer {
namespace {

constexpr double kVaeNormEps = 1e-6;
constexpr double kLeastLogVariance = -30.0;
constexpr double kGreatestLogVariance = 20.0;

ResnetBlock make_resnet(Component& owner, const std::string& name, std::int64_t in,
                        std::int64_t out, std::int64_t groups) {
  ResnetBlock::Options options;
  options.in = in;
  options.out = out;
  options.groups = groups;
  options.eps = kVaeNormEps;
  return {owner, name, options};
}

Attention::Options attention_options(std::int64_t width) {
  Attention::Options options;
  options.width = width;
  options.context_width = width;
  options.qkv_bias = true;
  return options;
}

// Resnet, single-head self-attention over the pixels, resnet.
struct Middle {
  Middle(Component& owner, const std::string& name, std::int64_t channels, std::int64_t groups)
      : first(make_resnet(owner, name + ".resnets.0", channels, channels, groups)),
        norm(owner, name + ".attentions.0.group_norm", channels, groups, kVaeNormEps),
        attention(owner, name + ".attentions.0", attention_options(channels)),
        second(make_resnet(owner, name + ".resnets.1", channels, channels, groups)) {}

  at::Tensor operator()(const at::Tensor& input) const {
    const at::Tensor x = first(input, {});
    const at::Tensor tokens = norm(x).flatten(2).transpose(1, 2);
    const at::Tensor mixed = attention(tokens, tokens, Mask::none).transpose(1, 2);
    // mixed first: the sum, and all that follows, is channels-last as in diffusers, to the last
    // bit.
    return second(mixed.view(x.sizes()) + x, {});
  }

  ResnetBlock first;
  GroupNorm norm;
  Attention attention;
  ResnetBlock second;
};

struct Level {
  std::vector<ResnetBlock> resnets;
  const Layer* resample = nullptr;  // nullptr in the last level
};

at::Tensor pass(const std::vector<ResnetBlock>& resnets, at::Tensor x, Activations activations) {
  for (const ResnetBlock& resnet : resnets) {
    x = run_block(activations, x, [&resnet](const at::Tensor& h) { return resnet(h, {}); });
  }
  return x;
}

at::Tensor pass(const Middle& middle, const at::Tensor& x, Activations activations) {
  return run_block(activations, x, [&middle](const at::Tensor& h) { return middle(h); });
}

// The stride-2 convolution sees one row and column of zeros at the right and bottom only.
at::Tensor downsample(const at::Tensor& x, const Layer& conv) {
  return conv(at::constant_pad_nd(x, {0, 1, 0, 1}));
}

std::vector<Level> make_levels(Component& owner, const std::string& prefix,
                               const std::vector<int>& widths, int resnets,
                               const VaeConfig& config) {
  const bool down = prefix == "encoder.down_blocks.";
  std::vector<Level> levels;
  std::int64_t in = widths[0];
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const std::string name = prefix + std::to_string(i);
    Level level;
    for (int j = 0; j < resnets; ++j) {
      level.resnets.push_back(make_resnet(owner, name + ".resnets." + std::to_string(j), in,
                                          widths[i], config.norm_num_groups));
      in = widths[i];
    }
    if (i + 1 < widths.size()) {
      level.resample = down ? owner.add_conv(name + ".downsamplers.0.conv", in, in, 3, 2, 0)
                            : owner.add_conv(name + ".upsamplers.0.conv", in, in, 3, 1, 1);
    }
    levels.push_back(std::move(level));
  }
  return levels;
}

struct Encoder {
  Encoder(Component& owner, const VaeConfig& config)
      : conv_in(owner.add_conv("encoder.conv_in", config.in_channels, config.block_out_channels[0],
                               3, 1, 1)),
        levels(make_levels(owner, "encoder.down_blocks.", config.block_out_channels,
                           config.layers_per_block, config)),
        middle(owner, "encoder.mid_block", config.block_out_channels.back(),
               config.norm_num_groups),
        norm_out(owner, "encoder.conv_norm_out", config.block_out_channels.back(),
                 config.norm_num_groups, kVaeNormEps),
        conv_out(owner.add_conv("encoder.conv_out", config.block_out_channels.back(),
                                2L * config.latent_channels, 3, 1, 1)) {}

  at::Tensor operator()(const at::Tensor& pixels, Activations activations) const {
    at::Tensor x = (*conv_in)(pixels);
    for (const Level& level : levels) {
      x = pass(level.resnets, x, activations);
      if (level.resample == nullptr) continue;
      x = run_block(activations, x,
                    [&level](const at::Tensor& h) { return downsample(h, *level.resample); });
    }
    return (*conv_out)(norm_out.silu(pass(middle, x, activations)));
  }

  const Layer* conv_in;
  std::vector<Level> levels;
  Middle middle;
  GroupNorm norm_out;
  const Layer* conv_out;
};

struct Decoder {
  Decoder(Component& owner, const VaeConfig& config)
      : conv_in(owner.add_conv("decoder.conv_in", config.latent_channels,
                               config.block_out_channels.back(), 3, 1, 1)),
        middle(owner, "decoder.mid_block", config.block_out_channels.back(),
               config.norm_num_groups),
        levels(make_levels(owner, "decoder.up_blocks.",
                           {config.block_out_channels.rbegin(), config.block_out_channels.rend()},
                           config.layers_per_block + 1, config)),
        norm_out(owner, "decoder.conv_norm_out", config.block_out_channels[0],
                 config.norm_num_groups, kVaeNormEps),
        conv_out(owner.add_conv("decoder.conv_out", config.block_out_channels[0],
                                config.out_channels, 3, 1, 1)) {}

  at::Tensor operator()(const at::Tensor& latents, Activations activations) const {
    at::Tensor x = pass(middle, (*conv_in)(latents), activations);
    for (const Level& level : levels) {
      x = pass(level.resnets, x, activations);
      if (level.resample == nullptr) continue;
      x = run_block(activations, x, [&level](const at::Tensor& h) {
        return upsample(h, 2 * h.size(2), 2 * h.size(3), *level.resample);
      });
    }
    return run_block(activations, x,
                     [this](const at::Tensor& h) { return (*conv_out)(norm_out.silu(h)); });
  }

  const Layer* conv_in;
  Middle middle;
  std::vector<Level> levels;
  GroupNorm norm_out;
  const Layer* conv_out;
};

}  // namespace

struct Autoencoder::Blocks {
  Blocks(Component& owner, const VaeConfig& config)
      : encoder(owner, config),
        decoder(owner, config),
        quant_conv(owner.add_conv("quant_conv", 2L * config.latent_channels,
                                  2L * config.latent_channels, 1, 1, 0)),
        post_quant_conv(owner.add_conv("post_quant_conv", config.latent_channels,
                                       config.latent_channels, 1, 1, 0)) {}

  Encoder encoder;
  Decoder decoder;
  const Layer *quant_conv, *post_quant_conv;
};

Autoencoder::Autoencoder(VaeConfig config, at::Device device)
    : Component(device),
      config_(std::move(config)),
      blocks_(std::make_unique<Blocks>(*this, config_)) {}

Autoencoder::Autoencoder(Autoencoder&&) noexcept = default;
Autoencoder& Autoencoder::operator=(Autoencoder&&) noexcept = default;
Autoencoder::~Autoencoder() = default;

Moments Autoencoder::encode(const at::Tensor& pixels) const {
  const std::vector<at::Tensor> halves =
      (*blocks_->quant_conv)(blocks_->encoder(pixels, activations_)).chunk(2, 1);
  return {halves[0], halves[1].clamp(kLeastLogVariance, kGreatestLogVariance)};
}

at::Tensor Autoencoder::decode(const at::Tensor& latents) const {
  return blocks_->decoder((*blocks_->post_quant_conv)(latents), activations_);
}

void Autoencoder::set_scaling_factor(double factor) {
  config_.scaling_factor = factor;
  config_.json["scaling_factor"] = factor;
}

}  // namespace sarsweep::trainer
