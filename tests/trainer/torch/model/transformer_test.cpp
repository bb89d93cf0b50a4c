#include "trainer/torch/model/transformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <string>
#include <utility>

#include "tests/trainer/torch/model/precision.h"

namespace sarsweep::trainer {
namespace {

class TransformerBlockTest : public SeededTest {};

constexpr double kRounding =
    2e-5;  // of fp32 through the whole block, relative to the largest value
constexpr std::int64_t kWidth = 32, kContextWidth = 24, kHeads = 4;

// A block and its twin in double precision, which is made of plain operators.
struct Pair {
  Component owner, exact_owner;
  TransformerBlock block, exact;

  Pair()
      : block(owner, "block", kWidth, kContextWidth, kHeads),
        exact(exact_owner, "block", kWidth, kContextWidth, kHeads) {
    for (const auto& [name, tensor] : owner.parameters()) {
      if (tensor.dim() == 2) {
        tensor.normal_(0, 0.3);
      } else {
        tensor.normal_(name.ends_with("weight") ? 1 : 0, 0.3);
      }
    }
    exact_owner.to(at::kCPU, at::kDouble);
    for (const auto& [name, tensor] : owner.parameters()) exact_owner.set(name, tensor);
  }

  void train(const std::function<bool(const std::string&)>& chosen) {
    for (const Component* part : {&owner, &exact_owner}) {
      for (const auto& [name, tensor] : part->parameters()) tensor.set_requires_grad(chosen(name));
    }
  }
};

struct Inputs {
  at::Tensor tokens, context;
};

void expect_equal(const Pair& pair, const Inputs& inputs) {
  const at::Tensor tokens = doubled(inputs.tokens), context = doubled(inputs.context);
  const at::Tensor y = pair.block(inputs.tokens, inputs.context);
  const at::Tensor exact = pair.exact(tokens, context);
  EXPECT_LE(distance(y, exact), kRounding);
  const at::Tensor grad = at::randn(y.sizes());
  torch::autograd::backward({y}, {grad});
  torch::autograd::backward({exact}, {grad.to(at::kDouble)});
  const auto expect_gradient = [](const std::string& name, const at::Tensor& got,
                                  const at::Tensor& twin) {
    ASSERT_EQ(got.grad().defined(), twin.grad().defined()) << name;
    if (!twin.grad().defined()) return;
    ASSERT_EQ(got.grad().sizes(), got.sizes()) << name;
    EXPECT_LE(distance(got.grad(), twin.grad()), kRounding) << name;
  };
  expect_gradient("tokens", inputs.tokens, tokens);
  expect_gradient("context", inputs.context, context);
  for (std::size_t i = 0; i < pair.owner.parameters().size(); ++i) {
    const auto& [name, tensor] = pair.owner.parameters()[i];
    expect_gradient(name, tensor, pair.exact_owner.parameters()[i].second);
  }
}

Inputs inputs_of(std::int64_t batch, std::int64_t tokens, std::int64_t words) {
  return {at::randn({batch, tokens, kWidth}), at::randn({batch, words, kContextWidth})};
}

TEST_F(TransformerBlockTest, HasTheNumbersAndGradientsOfItsPartsInDoublePrecision) {
  for (const auto& [batch, tokens, words] : {std::tuple{2, 9, 7}, {1, 2, 2}, {3, 64, 77}}) {
    SCOPED_TRACE(testing::Message() << batch << " x " << tokens << ", " << words << " words");
    Pair pair;
    pair.train([](const std::string&) { return true; });
    const Inputs inputs = inputs_of(batch, tokens, words);
    inputs.tokens.set_requires_grad(true);
    inputs.context.set_requires_grad(true);
    expect_equal(pair, inputs);
  }
}

TEST_F(TransformerBlockTest, LeavesOutTheGradientsNobodyWants) {
  const auto frozen = [](const std::string&) { return false; };
  const auto norms = [](const std::string& name) { return name.find("norm") != name.npos; };
  const auto keys = [](const std::string& name) { return name.find("to_k") != name.npos; };
  const auto weights = [](const std::string& name) { return !name.ends_with("bias"); };
  for (const std::function<bool(const std::string&)>& chosen :
       {std::function<bool(const std::string&)>(frozen), {norms}, {keys}, {weights}}) {
    for (const bool context : {true, false}) {
      Pair pair;
      pair.train(chosen);
      const Inputs inputs = inputs_of(2, 9, 7);
      inputs.tokens.set_requires_grad(!context);
      inputs.context.set_requires_grad(context);
      expect_equal(pair, inputs);
    }
  }
}

// The weights of what reads one input lie side by side, and moving one away changes no number.
TEST_F(TransformerBlockTest, GivesTheSameWhereverItsWeightsLie) {
  Pair pair;
  pair.train([](const std::string&) { return true; });
  const Inputs inputs = inputs_of(2, 9, 7);
  const auto run = [&](const Attention& attention) {
    for (const auto& [name, tensor] : pair.owner.parameters()) tensor.mutable_grad().reset();
    const at::Tensor y = pair.block(inputs.tokens, inputs.context);
    torch::autograd::backward({y.square().sum()}, {});
    return std::pair{y.detach().clone(), attention.key->weight.grad().clone()};
  };
  for (const Attention* attention : {&pair.block.attn1, &pair.block.attn2}) {
    const at::Tensor &key = attention->key->weight, &value = attention->value->weight;
    ASSERT_EQ(key.const_data_ptr<float>() + key.numel(), value.const_data_ptr<float>());
    const auto [y, gradient] = run(*attention);
    key.set_data(key.detach().clone());
    const auto [moved, moved_gradient] = run(*attention);
    EXPECT_TRUE(y.equal(moved));
    EXPECT_TRUE(gradient.equal(moved_gradient));
  }
}

}  // namespace
}  // namespace sarsweep::trainer
