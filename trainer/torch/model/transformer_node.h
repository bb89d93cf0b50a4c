#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>

namespace sarsweep::trainer {

// The parameters of a BasicTransformerBlock in the order the node takes them. Linear weights are
// [out, in]; queries, keys and values have no bias.
enum BlockParameter : std::size_t {
  kNorm1Weight,
  kNorm1Bias,
  kQuery1,
  kKey1,
  kValue1,
  kOut1Weight,
  kOut1Bias,
  kNorm2Weight,
  kNorm2Bias,
  kQuery2,
  kKey2,
  kValue2,
  kOut2Weight,
  kOut2Bias,
  kNorm3Weight,
  kNorm3Bias,
  kProjWeight,
  kProjBias,
  kFfOutWeight,
  kFfOutBias,
  kBlockParameters
};

struct BlockShape {
  std::int64_t heads = 1;
  double eps = 1e-5;  // of the layer norms
};

// The whole block as one node of the graph: some forty operators and no more, where the sum of
// small nodes costs a small model more than its arithmetic does. tokens [B,S,C], context [B,T,D];
// all fp32 on a CPU. It cannot be differentiated twice.
at::Tensor transformer_block(const at::Tensor& tokens, const at::Tensor& context,
                             at::TensorList parameters, const BlockShape& shape);

}  // namespace sarsweep::trainer
