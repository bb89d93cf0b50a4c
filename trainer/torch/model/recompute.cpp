#include "trainer/torch/model/recompute.h"

#include <ATen/core/ivalue.h>
#include <ATen/ops/alias.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <c10/core/GradMode.h>

namespace sarsweep::trainer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::tensor_list;

struct SavedBlock : torch::CustomClassHolder {
  explicit SavedBlock(Block given) : block(std::move(given)) {}
  Block block;
};

// Positions of the arguments of forward, and of their gradients.
enum Position : std::size_t { x_at, condition_at, witness_at, block_at, positions };

// An argument of the recomputed block, cut from the graph before it, and what the block's uses of
// it send back: their sum as it stands, where a leaf would lay it out like the leaf.
class Argument {
 public:
  Argument(const at::Tensor& value, bool wanted)
      : value_(at::alias(value.detach().set_requires_grad(wanted))) {
    if (wanted) {
      value_.register_hook([this](const at::Tensor& sum) { gradient_ = sum; });
    }
  }
  Argument(const Argument&) = delete;
  Argument& operator=(const Argument&) = delete;
  Argument(Argument&&) = delete;
  Argument& operator=(Argument&&) = delete;
  ~Argument() = default;

  const at::Tensor& value() const { return value_; }
  const at::Tensor& gradient() const { return gradient_; }

 private:
  at::Tensor value_;
  at::Tensor gradient_;
};

// `witness` requires grad always: a block whose inputs do not may still have weights that do.
struct Recompute : torch::autograd::Function<Recompute> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& condition,
                            const at::Tensor& /*witness*/, const Block& block) {
    ctx->save_for_backward({x, condition});
    ctx->saved_data["block"] = at::IValue::make_capsule(c10::make_intrusive<SavedBlock>(block));
    return block(x, condition);
  }

  static tensor_list backward(AutogradContext* ctx, const tensor_list& grads) {
    const tensor_list saved = ctx->get_saved_variables();
    const c10::AutoGradMode with_graph(true);
    const Argument x(saved[0], ctx->needs_input_grad(x_at));
    const Argument condition(saved[1], ctx->needs_input_grad(condition_at));
    const auto holder = ctx->saved_data["block"].toCapsule();
    const Block& block = static_cast<const SavedBlock&>(*holder).block;
    const at::Tensor y = block(x.value(), condition.value());
    if (y.requires_grad()) torch::autograd::backward({y}, {grads[0]});
    tensor_list result(positions);
    result[x_at] = x.gradient();
    result[condition_at] = condition.gradient();
    return result;
  }
};

at::Tensor recompute(const at::Tensor& x, const at::Tensor& condition, const Block& block) {
  const at::Tensor witness = at::zeros({1}, x.options()).set_requires_grad(true);
  return Recompute::apply(x, condition, witness, block);
}

}  // namespace

// The alias gathers what the block's own uses of a tensor send back before it joins the others':
// the order of a sum that a recomputed block cannot help.
at::Tensor run_block(Activations activations, const at::Tensor& x, const at::Tensor& condition,
                     const Block& block) {
  if (!c10::GradMode::is_enabled()) return block(x, condition);
  if (activations == Activations::keep) return block(at::alias(x), at::alias(condition));
  return recompute(x, condition, block);
}

at::Tensor run_block(Activations activations, const at::Tensor& x,
                     std::function<at::Tensor(const at::Tensor& x)> block) {
  if (!c10::GradMode::is_enabled()) return block(x);
  if (activations == Activations::keep) return block(at::alias(x));
  const at::Tensor no_condition = at::empty({0}, x.options());  // a node takes no undefined tensor
  return recompute(x, no_condition,
                   [block = std::move(block)](const at::Tensor& h, const at::Tensor& /*none*/) {
                     return block(h);
                   });
}

}  // namespace sarsweep::trainer
