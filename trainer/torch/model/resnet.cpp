#include "trainer/torch/model/resnet.h"

#include <ATen/TensorOperators.h>

#include <ATen/ops/upsample_nearest2d.h>

namespace sarsweep::trainer {

ResnetBlock::ResnetBlock(Component& owner, const std::string& name, const Options& options)
    : norm1(owner, name + ".norm1", options.in, options.groups, options.eps),
      conv1(owner.add_conv(name + ".conv1", options.in, options.out, 3, 1, 1)),
      time_emb_proj(
          options.time_width == 0
              ? nullptr
              : owner.add_linear(name + ".time_emb_proj", options.time_width, options.out, true)),
      norm2(owner, name + ".norm2", options.out, options.groups, options.eps),
      conv2(owner.add_conv(name + ".conv2", options.out, options.out, 3, 1, 1)),
      conv_shortcut(options.in == options.out ? nullptr
                                              : owner.add_conv(name + ".conv_shortcut", options.in,
                                                               options.out, 1, 1, 0)) {}

at::Tensor ResnetBlock::operator()(const at::Tensor& x, const at::Tensor& activated_time) const {
  at::Tensor h = (*conv1)(norm1.silu(x));
  if (time_emb_proj != nullptr) {
    h = h + (*time_emb_proj)(activated_time).unsqueeze(-1).unsqueeze(-1);
  }
  h = (*conv2)(norm2.silu(h));
  return (conv_shortcut == nullptr ? x : (*conv_shortcut)(x)) + h;
}

at::Tensor upsample(const at::Tensor& x, std::int64_t height, std::int64_t width,
                    const Layer& conv) {
  return conv(at::upsample_nearest2d(x, {height, width}));
}

}  // namespace sarsweep::trainer
