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
enum Argument : std::size_t { kX, kCondition, kWitness, kBlock, kArguments };

// A leaf of the same values, whose gradient is wanted where the argument's is.
at::Tensor fresh_leaf(const at::Tensor& value, bool wanted) {
  return value.detach().set_requires_grad(wanted);
}

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
    const at::Tensor x = fresh_leaf(saved[0], ctx->needs_input_grad(kX));
    const at::Tensor condition = fresh_leaf(saved[1], ctx->needs_input_grad(kCondition));
    const auto holder = ctx->saved_data["block"].toCapsule();
    const c10::AutoGradMode with_graph(true);
    const at::Tensor y = static_cast<const SavedBlock&>(*holder).block(x, condition);
    if (y.requires_grad()) torch::autograd::backward({y}, {grads[0]});
    tensor_list result(kArguments);
    result[kX] = x.grad();
    result[kCondition] = condition.grad();
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
                     Block block) {
  if (!c10::GradMode::is_enabled()) return block(x, condition);
  if (activations == Activations::keep) return block(at::alias(x), at::alias(condition));
  return recompute(x, condition, block);
}

at::Tensor run_block(Activations activations, const at::Tensor& x,
                     std::function<at::Tensor(const at::Tensor& x)> block) {
  if (!c10::GradMode::is_enabled() || activations == Activations::keep) return block(x);
  const at::Tensor no_condition = at::empty({0}, x.options());  // a node takes no undefined tensor
  return recompute(x, no_condition,
                   [block = std::move(block)](const at::Tensor& h, const at::Tensor& /*none*/) {
                     return block(h);
                   });
}

}  // namespace sarsweep::trainer
