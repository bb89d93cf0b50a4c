#include "trainer/torch/model/attention.h"

#include "trainer/torch/model/attention_nodes.h"

namespace sarsweep::trainer {
Attention::Attention(Component& owner, const std::string& name, const Options& options)
    : heads(options.heads) {
  const auto named = [&](std::size_t i) { return name + "." + options.projections[i]; };
  const std::int64_t width = options.width, context_width = options.context_width;
  if (options.qkv_bias) {
    query = owner.add_linear(named(0), width, width, true);
    key = owner.add_linear(named(1), context_width, width, true);
    value = owner.add_linear(named(2), context_width, width, true);
  } else if (width == context_width) {
    const std::vector<Layer*> layers =
        owner.add_adjacent({named(0), named(1), named(2)}, width, width);
    query = layers[0];
    key = layers[1];
    value = layers[2];
  } else {
    query = owner.add_linear(named(0), width, width, false);
    const std::vector<Layer*> layers =
        owner.add_adjacent({named(1), named(2)}, context_width, width);
    key = layers[0];
    value = layers[1];
  }
  out = owner.add_linear(named(3), width, width, true);
}

at::Tensor Attention::operator()(const at::Tensor& x, const at::Tensor& context, Mask mask) const {
  return (*out)(attend((*query)(x), (*key)(context), (*value)(context), heads, mask));
}

}  // namespace sarsweep::trainer
