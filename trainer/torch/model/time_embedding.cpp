#include "trainer/torch/model/time_embedding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/silu.h>

#include <cmath>

namespace sarsweep::trainer {

// The operations and their order are diffusers': at timestep 999 one unit in the last place of a
// frequency moves the sine by 6e-5.
at::Tensor sinusoid(const at::Tensor& values, std::int64_t width) {
  const std::int64_t half = width / 2;
  const at::Tensor exponent =
      at::arange(0, half, at::device(values.device()).dtype(at::kFloat)) * -std::log(10000.0);
  const at::Tensor frequencies = at::exp(exponent / static_cast<double>(half));
  const at::Tensor angles = values.to(at::kFloat).unsqueeze(1) * frequencies.unsqueeze(0);
  return at::cat({angles.cos(), angles.sin()}, -1);
}

TimestepMlp::TimestepMlp(Component& owner, const std::string& name, std::int64_t in,
                         std::int64_t width)
    : linear_1(owner.add_linear(name + ".linear_1", in, width, true)),
      linear_2(owner.add_linear(name + ".linear_2", width, width, true)) {}

at::Tensor TimestepMlp::operator()(const at::Tensor& x) const {
  return (*linear_2)(at::silu((*linear_1)(x)));
}

}  // namespace sarsweep::trainer
