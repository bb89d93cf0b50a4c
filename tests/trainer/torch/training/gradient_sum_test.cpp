#include "trainer/torch/training/gradient_sum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

#include "trainer/torch/training/adamw.h"

namespace sarsweep::trainer {
namespace {

// Two ranks of which the other has three times this one's numbers, and gradients where `other` has
// a '1'.
class TwoRanks final : public Communicator {
 public:
  explicit TwoRanks(std::string other) : other_(std::move(other)) {}

  int rank() const override { return 0; }
  int size() const override { return 2; }
  void barrier() override {}
  void broadcast(std::span<std::byte> /*bytes*/, int /*root*/) override {}
  void sum(std::span<float> values) override {
    sums_.push_back(static_cast<std::int64_t>(values.size()));
    for (float& value : values) value *= 4;
  }
  std::vector<std::string> gather(const std::string& bytes) override { return {bytes, other_}; }
  std::int64_t max(std::int64_t value) override { return value; }
  void require_all() override {}
  void note_progress() override {}
  void begin_long_work() override {}
  void end_long_work() override {}
  std::optional<Departure> departure() const override { return std::nullopt; }
  int leave(const Farewell& farewell) override { return farewell.exit_code; }

  const std::vector<std::int64_t>& sums() const { return sums_; }

 private:
  std::string other_;
  std::vector<std::int64_t> sums_;
};

struct Trained {
  // Of 15, 7, 20, 16 and 3 numbers in two groups; a backward pass gives all but b, d a gradient.
  Trained()
      : a(leaf({3, 5})),
        b(leaf({7})),
        c(leaf({20})),
        d(leaf({16})),
        e(leaf({3})),
        optimizer({{"first", 1e-3, true, {{"a", a}, {"b", b}, {"c", c}}},
                   {"second", 1e-3, true, {{"d", d}, {"e", e}}}},
                  {}) {}

  static at::Tensor leaf(at::IntArrayRef shape) {
    return at::ones(shape, at::kFloat).set_requires_grad(true);
  }
  void backward() {
    const at::Tensor loss = 2 * a.sum() + 3 * c.sum() + 5 * e.sum();
    torch::autograd::backward({loss}, {});
    torch::autograd::backward({c.sum()}, {});  // a second pass adds up
  }
  at::Tensor sum(TwoRanks& ranks, std::int64_t bucket) {
    at::Tensor loss = at::full({1}, 0.5);
    sum_gradients(ranks, optimizer.groups(), loss, bucket);
    return loss;
  }
  void expect_sums() const {
    EXPECT_TRUE(at::equal(a.grad(), at::full({3, 5}, 8.0)));
    EXPECT_FALSE(b.grad().defined());
    EXPECT_TRUE(at::equal(c.grad(), at::full({20}, 16.0)));
    ASSERT_TRUE(d.grad().defined());
    EXPECT_TRUE(at::equal(d.grad(), at::zeros({16})));
    EXPECT_TRUE(at::equal(e.grad(), at::full({3}, 20.0)));
  }

  void step() {
    backward();
    const StepScale scale = {at::full({}, 1.5, at::kFloat), at::full({}, 1.0, at::kFloat)};
    optimizer.step(1, {scale, scale});
    optimizer.settle(true);
    optimizer.zero_grad();
  }

  at::Tensor a, b, c, d, e;
  AdamW optimizer;
};

class GradientSum : public testing::Test, public Trained {};

TEST_F(GradientSum, GathersGradientsThatLieAnywhere) {
  backward();
  TwoRanks ranks("10111");
  EXPECT_EQ(sum(ranks, 30).item<float>(), 2.0F);
  expect_sums();
  EXPECT_EQ(ranks.sums(), (std::vector<std::int64_t>{1 + 15 + 20, 16 + 3}));
}

TEST_F(GradientSum, SumsGradientsThatAreKeptTogetherWhereTheyLie) {
  optimizer.keep_gradients_together();
  for (int update = 0; update < 2; ++update) {
    optimizer.zero_grad();
    backward();
    const void* place = optimizer.groups()[0].gradients[0].const_data_ptr();
    EXPECT_EQ(a.grad().const_data_ptr(), place);
    TwoRanks ranks("10111");
    EXPECT_EQ(sum(ranks, 18).item<float>(), 2.0F);
    EXPECT_EQ(a.grad().const_data_ptr(), place);
    expect_sums();
    // a alone, for b has none; c in two pieces; the loss; d and e in one row of 19.
    EXPECT_EQ(ranks.sums(), (std::vector<std::int64_t>{15, 18, 2, 1, 18, 1}));
  }
}

TEST_F(GradientSum, KeptTogetherTheyAreSteppedAsAnywhere) {
  optimizer.keep_gradients_together();
  Trained other;
  for (int update = 0; update < 3; ++update) {
    step();
    other.step();
  }
  for (const auto& [mine, theirs] : {std::pair(a, other.a), {b, other.b}, {c, other.c}}) {
    EXPECT_TRUE(at::equal(mine, theirs));
  }
  EXPECT_FALSE(at::equal(a, at::ones({3, 5})));
}

TEST_F(GradientSum, OfOneRankChangesNothing) {
  backward();
  at::Tensor loss = at::full({1}, 0.5);
  sum_gradients(*single_process(), optimizer.groups(), loss);
  EXPECT_EQ(loss.item<float>(), 0.5F);
  EXPECT_TRUE(at::equal(c.grad(), at::full({20}, 4.0)));
  EXPECT_FALSE(d.grad().defined());
}

}  // namespace
}  // namespace sarsweep::trainer
