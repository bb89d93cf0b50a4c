#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/torch/model/component.h"
#include "trainer/torch/model/recompute.h"
#include "trainer/torch/model/resnet.h"
#include "trainer/torch/model/transformer.h"

namespace sarsweep::trainer {

// What every block of a UNet forward pass sees.
struct UNetSignal {
  const at::Tensor& activated_time;  // SiLU(time embedding) [B,4·C0]
  const at::Tensor& context;         // [B,T,cross]
  Activations activations;           // of resnets and transformer blocks
};

// What the blocks of one resolution share.
struct LevelOptions {
  std::int64_t channels = 0;
  std::int64_t time_width = 0;
  std::int64_t groups = 32;
  double eps = 1e-5;
  bool cross_attention = false;  // with a Transformer2D after each resnet
  std::int64_t context_width = 0, heads = 1, depth = 1;
  bool resize = false;  // ends with a downsampler (upsampler)
};

// DownBlock2D, CrossAttnDownBlock2D.
struct DownBlock {
  DownBlock(Component& owner, const std::string& name, std::int64_t in, std::int64_t count,
            const LevelOptions& options);
  // Appends the output of every layer to `skips`.
  at::Tensor operator()(at::Tensor x, const UNetSignal& signal,
                        std::vector<at::Tensor>& skips) const;

  std::vector<ResnetBlock> resnets;
  std::vector<Transformer2D> attentions;  // empty without cross-attention
  const Layer* downsampler;               // nullptr in the last block
};

// UNetMidBlock2DCrossAttn.
struct MidBlock {
  MidBlock(Component& owner, const std::string& name, const LevelOptions& options);
  at::Tensor operator()(const at::Tensor& x, const UNetSignal& signal) const;

  ResnetBlock first;
  Transformer2D attention;
  ResnetBlock second;
};

// UpBlock2D, CrossAttnUpBlock2D.
struct UpBlock {
  // `skip_channels`: of the skips in the order in which they are taken; one resnet each.
  UpBlock(Component& owner, const std::string& name, std::int64_t in,
          const std::vector<std::int64_t>& skip_channels, const LevelOptions& options);
  // Takes its skips from the end of `skips`. An upsampler enlarges to the size of the next skip.
  at::Tensor operator()(at::Tensor x, const UNetSignal& signal,
                        std::vector<at::Tensor>& skips) const;

  std::vector<ResnetBlock> resnets;
  std::vector<Transformer2D> attentions;
  const Layer* upsampler;  // nullptr in the last block
};

}  // namespace sarsweep::trainer
