#include "trainer/torch/model/unet.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/silu.h>

#include "trainer/torch/model/norm.h"
#include "trainer/torch/model/time_embedding.h"
#include "trainer/torch/model/unet_blocks.h"

namespace sarsweep::trainer {
namespace {

std::int64_t time_width(const UNetConfig& config) { return 4L * config.block_out_channels[0]; }

LevelOptions level_options(const UNetConfig& config, std::size_t level) {
  LevelOptions options;
  options.channels = config.block_out_channels[level];
  options.time_width = time_width(config);
  options.groups = config.norm_num_groups;
  options.eps = config.norm_eps;
  options.cross_attention = config.down_block_types[level] == "CrossAttnDownBlock2D";
  options.context_width = config.cross_attention_dim;
  options.heads = config.num_attention_heads[level];
  options.depth = config.transformer_layers_per_block[level];
  return options;
}

std::vector<DownBlock> make_down_blocks(Component& owner, const UNetConfig& config) {
  std::vector<DownBlock> blocks;
  std::int64_t in = config.block_out_channels[0];
  for (std::size_t level = 0; level < config.block_out_channels.size(); ++level) {
    LevelOptions options = level_options(config, level);
    options.resize = level + 1 < config.block_out_channels.size();
    blocks.emplace_back(owner, "down_blocks." + std::to_string(level), in, config.layers_per_block,
                        options);
    in = options.channels;
  }
  return blocks;
}

// The widths of all skips in the order in which the down path produces them.
std::vector<std::int64_t> skip_widths(const UNetConfig& config) {
  std::vector<std::int64_t> widths = {config.block_out_channels[0]};
  for (std::size_t level = 0; level < config.block_out_channels.size(); ++level) {
    const bool resize = level + 1 < config.block_out_channels.size();
    widths.insert(widths.end(),
                  static_cast<std::size_t>(config.layers_per_block) + (resize ? 1 : 0),
                  config.block_out_channels[level]);
  }
  return widths;
}

std::vector<UpBlock> make_up_blocks(Component& owner, const UNetConfig& config) {
  std::vector<UpBlock> blocks;
  std::vector<std::int64_t> widths = skip_widths(config);
  const std::size_t levels = config.block_out_channels.size();
  std::int64_t in = config.block_out_channels.back();
  for (std::size_t i = 0; i < levels; ++i) {
    LevelOptions options = level_options(config, levels - 1 - i);
    options.cross_attention = config.up_block_types[i] == "CrossAttnUpBlock2D";
    options.resize = i + 1 < levels;
    std::vector<std::int64_t> taken;
    for (int layer = 0; layer <= config.layers_per_block; ++layer) {
      taken.push_back(widths.back());
      widths.pop_back();
    }
    blocks.emplace_back(owner, "up_blocks." + std::to_string(i), in, taken, options);
    in = options.channels;
  }
  return blocks;
}

}  // namespace

struct UNet::Blocks {
  Blocks(Component& owner, const UNetConfig& config);

  const Layer* conv_in;
  TimestepMlp time_embedding, add_embedding;
  std::vector<DownBlock> down;
  MidBlock mid;
  std::vector<UpBlock> up;
  GroupNorm norm_out;
  const Layer* conv_out;
};

UNet::Blocks::Blocks(Component& owner, const UNetConfig& config)
    : conv_in(owner.add_conv("conv_in", config.in_channels, config.block_out_channels[0], 3, 1, 1)),
      time_embedding(owner, "time_embedding", config.block_out_channels[0], time_width(config)),
      add_embedding(owner, "add_embedding", config.projection_class_embeddings_input_dim,
                    time_width(config)),
      down(make_down_blocks(owner, config)),
      mid(owner, "mid_block", level_options(config, config.block_out_channels.size() - 1)),
      up(make_up_blocks(owner, config)),
      norm_out(owner, "conv_norm_out", config.block_out_channels[0], config.norm_num_groups,
               config.norm_eps),
      conv_out(
          owner.add_conv("conv_out", config.block_out_channels[0], config.out_channels, 3, 1, 1)) {}

UNet::UNet(UNetConfig config, at::Device device)
    : Component(device),
      config_(std::move(config)),
      blocks_(std::make_unique<Blocks>(*this, config_)) {}

UNet::UNet(UNet&&) noexcept = default;
UNet& UNet::operator=(UNet&&) noexcept = default;
UNet::~UNet() = default;

at::Tensor UNet::forward(const at::Tensor& sample, const at::Tensor& timesteps,
                         const at::Tensor& context, const at::Tensor& pooled,
                         const at::Tensor& time_ids) const {
  const at::Tensor time = sinusoid(timesteps, config_.block_out_channels[0]);
  const at::Tensor sizes =
      sinusoid(time_ids.flatten(), config_.addition_time_embed_dim).view({time_ids.size(0), -1});
  const at::Tensor added = at::cat({pooled, sizes.to(pooled.scalar_type())}, -1);
  const at::Tensor embedding = blocks_->time_embedding(time.to(sample.scalar_type())) +
                               blocks_->add_embedding(added.to(sample.scalar_type()));
  const at::Tensor activated_time = at::silu(embedding);
  const UNetSignal signal{activated_time, context, activations_};

  at::Tensor x = (*blocks_->conv_in)(sample);
  std::vector<at::Tensor> skips = {x};
  for (const DownBlock& block : blocks_->down) x = block(x, signal, skips);
  x = blocks_->mid(x, signal);
  for (const UpBlock& block : blocks_->up) x = block(x, signal, skips);
  return (*blocks_->conv_out)(blocks_->norm_out.silu(x));
}

}  // namespace sarsweep::trainer
