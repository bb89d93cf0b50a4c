#include "trainer/torch/model/unet_blocks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

namespace sarsweep::trainer {
namespace {

ResnetBlock::Options resnet_options(std::int64_t in, const LevelOptions& level) {
  ResnetBlock::Options options;
  options.in = in;
  options.out = level.channels;
  options.time_width = level.time_width;
  options.groups = level.groups;
  options.eps = level.eps;
  return options;
}

Transformer2D::Options transformer_options(const LevelOptions& level) {
  Transformer2D::Options options;
  options.channels = level.channels;
  options.context_width = level.context_width;
  options.heads = level.heads;
  options.depth = level.depth;
  options.groups = level.groups;
  return options;
}

at::Tensor pass(const ResnetBlock& resnet, const at::Tensor& x, const UNetSignal& signal) {
  return run_block(
      signal.activations, x, signal.activated_time,
      [&resnet](const at::Tensor& h, const at::Tensor& time) { return resnet(h, time); });
}

at::Tensor pass(const Transformer2D& attention, const at::Tensor& x, const UNetSignal& signal) {
  return attention(x, signal.context, signal.activations);
}

std::string indexed(const std::string& name, std::size_t index) {
  return name + "." + std::to_string(index);
}

}  // namespace

DownBlock::DownBlock(Component& owner, const std::string& name, std::int64_t in, std::int64_t count,
                     const LevelOptions& options)
    : downsampler(nullptr) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    resnets.emplace_back(owner, indexed(name + ".resnets", i),
                         resnet_options(i == 0 ? in : options.channels, options));
    if (options.cross_attention) {
      attentions.emplace_back(owner, indexed(name + ".attentions", i),
                              transformer_options(options));
    }
  }
  if (options.resize) {
    downsampler =
        owner.add_conv(name + ".downsamplers.0.conv", options.channels, options.channels, 3, 2, 1);
  }
}

at::Tensor DownBlock::operator()(at::Tensor x, const UNetSignal& signal,
                                 std::vector<at::Tensor>& skips) const {
  for (std::size_t i = 0; i < resnets.size(); ++i) {
    x = pass(resnets[i], x, signal);
    if (!attentions.empty()) x = pass(attentions[i], x, signal);
    skips.push_back(x);
  }
  if (downsampler != nullptr) {
    x = (*downsampler)(x);
    skips.push_back(x);
  }
  return x;
}

MidBlock::MidBlock(Component& owner, const std::string& name, const LevelOptions& options)
    : first(owner, name + ".resnets.0", resnet_options(options.channels, options)),
      attention(owner, name + ".attentions.0", transformer_options(options)),
      second(owner, name + ".resnets.1", resnet_options(options.channels, options)) {}

at::Tensor MidBlock::operator()(const at::Tensor& x, const UNetSignal& signal) const {
  return pass(second, pass(attention, pass(first, x, signal), signal), signal);
}

UpBlock::UpBlock(Component& owner, const std::string& name, std::int64_t in,
                 const std::vector<std::int64_t>& skip_channels, const LevelOptions& options)
    : upsampler(nullptr) {
  for (std::size_t i = 0; i < skip_channels.size(); ++i) {
    const std::int64_t width = (i == 0 ? in : options.channels) + skip_channels[i];
    resnets.emplace_back(owner, indexed(name + ".resnets", i), resnet_options(width, options));
    if (options.cross_attention) {
      attentions.emplace_back(owner, indexed(name + ".attentions", i),
                              transformer_options(options));
    }
  }
  if (options.resize) {
    upsampler =
        owner.add_conv(name + ".upsamplers.0.conv", options.channels, options.channels, 3, 1, 1);
  }
}

at::Tensor UpBlock::operator()(at::Tensor x, const UNetSignal& signal,
                               std::vector<at::Tensor>& skips) const {
  for (std::size_t i = 0; i < resnets.size(); ++i) {
    x = pass(resnets[i], at::cat({x, skips.back()}, 1), signal);
    skips.pop_back();
    if (!attentions.empty()) x = pass(attentions[i], x, signal);
  }
  if (upsampler == nullptr) return x;
  return upsample(x, skips.back().size(2), skips.back().size(3), *upsampler);
}

}  // namespace sarsweep::trainer
