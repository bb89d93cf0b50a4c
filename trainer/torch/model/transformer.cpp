#include "trainer/torch/model/transformer.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <array>

#include "trainer/torch/model/geglu_node.h"
#include "trainer/torch/model/transformer_node.h"

namespace sarsweep::trainer {
namespace {

constexpr double kTransformerNormEps = 1e-6;  // of the GroupNorm before the tokens
constexpr double kTokenNormEps = 1e-5;

Attention::Options attention_options(std::int64_t width, std::int64_t context_width,
                                     std::int64_t heads) {
  Attention::Options options;
  options.width = width;
  options.context_width = context_width;
  options.heads = heads;
  return options;
}

std::vector<TransformerBlock> make_blocks(Component& owner, const std::string& name,
                                          const Transformer2D::Options& options) {
  std::vector<TransformerBlock> blocks;
  for (std::int64_t i = 0; i < options.depth; ++i) {
    blocks.emplace_back(owner, name + ".transformer_blocks." + std::to_string(i), options.channels,
                        options.context_width, options.heads);
  }
  return blocks;
}

// The parameters as the node wants them.
std::array<at::Tensor, kBlockParameters> parameters_of(const TransformerBlock& block) {
  const Attention &self = block.attn1, &cross = block.attn2;
  return {block.norm1.weight,  block.norm1.bias,    self.query->weight,   self.key->weight,
          self.value->weight,  self.out->weight,    self.out->bias,       block.norm2.weight,
          block.norm2.bias,    cross.query->weight, cross.key->weight,    cross.value->weight,
          cross.out->weight,   cross.out->bias,     block.norm3.weight,   block.norm3.bias,
          block.ff_in->weight, block.ff_in->bias,   block.ff_out->weight, block.ff_out->bias};
}

bool is_plain_fp32(const Layer* layer) {
  return !layer->adapter && layer->weight.scalar_type() == at::kFloat;
}

// Whether one node can do it: no adapter in it, all fp32 and on a CPU.
bool is_plain(const TransformerBlock& block, const at::Tensor& tokens, const at::Tensor& context) {
  const Attention &self = block.attn1, &cross = block.attn2;
  const std::array<const Layer*, 10> layers = {self.query,  self.key,    self.value,  self.out,
                                               cross.query, cross.key,   cross.value, cross.out,
                                               block.ff_in, block.ff_out};
  return tokens.is_cpu() && tokens.scalar_type() == at::kFloat &&
         context.scalar_type() == at::kFloat &&
         std::all_of(layers.begin(), layers.end(), is_plain_fp32);
}

}  // namespace

TransformerBlock::TransformerBlock(Component& owner, const std::string& name, std::int64_t width,
                                   std::int64_t context_width, std::int64_t heads)
    : norm1(owner, name + ".norm1", width, kTokenNormEps),
      attn1(owner, name + ".attn1", attention_options(width, width, heads)),
      norm2(owner, name + ".norm2", width, kTokenNormEps),
      attn2(owner, name + ".attn2", attention_options(width, context_width, heads)),
      norm3(owner, name + ".norm3", width, kTokenNormEps),
      ff_in(owner.add_linear(name + ".ff.net.0.proj", width, 8 * width, true)),
      ff_out(owner.add_linear(name + ".ff.net.2", 4 * width, width, true)) {}

at::Tensor TransformerBlock::operator()(const at::Tensor& tokens, const at::Tensor& context) const {
  if (is_plain(*this, tokens, context)) {
    return transformer_block(tokens, context, parameters_of(*this), {attn1.heads, norm1.eps});
  }
  const at::Tensor self = norm1(tokens);
  at::Tensor x = attn1(self, self, Mask::none) + tokens;
  x = attn2(norm2(x), context, Mask::none) + x;
  return (*ff_out)(geglu((*ff_in)(norm3(x)))) + x;
}

Transformer2D::Transformer2D(Component& owner, const std::string& name, const Options& options)
    : norm(owner, name + ".norm", options.channels, options.groups, kTransformerNormEps),
      proj_in(owner.add_linear(name + ".proj_in", options.channels, options.channels, true)),
      blocks(make_blocks(owner, name, options)),
      proj_out(owner.add_linear(name + ".proj_out", options.channels, options.channels, true)) {}

at::Tensor Transformer2D::operator()(const at::Tensor& x, const at::Tensor& context,
                                     Activations activations) const {
  at::Tensor tokens = (*proj_in)(norm(x).flatten(2).transpose(1, 2));
  for (const TransformerBlock& block : blocks) {
    tokens = run_block(activations, tokens, context,
                       [&block](const at::Tensor& t, const at::Tensor& c) { return block(t, c); });
  }
  // x first: the sum takes the memory layout of the feature map, not that of the tokens.
  return x + (*proj_out)(tokens).transpose(1, 2).view(x.sizes());
}

}  // namespace sarsweep::trainer
