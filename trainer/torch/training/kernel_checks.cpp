#include <ATen/TensorOperators.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <cmath>

#include <c10/core/GradMode.h>

#include "schema/base/philox.h"
#include "trainer/torch/model/matrix_product.h"
#include "trainer/torch/training/adamw.h"
#include "trainer/torch/training/self_checks.h"

namespace sarsweep::trainer {
namespace {

constexpr double kFewRoundings = 2e-6;   // of fp32, some in a row
constexpr double kManyRoundings = 1e-5;  // a sum of hundreds

at::Tensor normals(const std::string& name, at::IntArrayRef shape) {
  at::Tensor values = at::empty(shape, at::kFloat);
  RandomStream(1, name, 0)
      .fill_normal(values.mutable_data_ptr<float>(), static_cast<std::uint64_t>(values.numel()));
  return values;
}

at::Tensor exact(const at::Tensor& values) { return values.to(at::kCPU, at::kDouble); }

double distance(const at::Tensor& got, const at::Tensor& reference) {
  return ((exact(got) - reference).abs().max() / reference.abs().max()).item<double>();
}

// Three steps of one tensor, from its formula (trainer/kernels/adamw.h).
SelfCheck check_adamw(at::Device device, std::int64_t size) {
  const AdamWOptions options{0.9, 0.99, 1e-8, 0.1};
  constexpr double kLr = 1e-2, kDivisor = 1.5;
  const at::Tensor start = normals("weight", {size});
  const at::Tensor weight = start.to(device, /*non_blocking=*/false, /*copy=*/true);
  AdamW optimizer({{"check", kLr, true, {{"weight", weight.set_requires_grad(true)}}}}, options);
  const StepScale scale = {at::full({}, kDivisor, at::device(device).dtype(at::kFloat)),
                           at::full({}, 1.0, at::device(device).dtype(at::kFloat))};
  at::Tensor w = exact(start), m = at::zeros({size}, at::kDouble), v = m.clone();
  for (int step = 1; step <= 3; ++step) {
    const at::Tensor gradient = normals(fmt::format("gradient {}", step), {size});
    weight.mutable_grad() = gradient.to(device);
    optimizer.step(1, {scale});
    optimizer.settle(true);
    const at::Tensor g = exact(gradient) / kDivisor;
    m = options.beta1 * m + (1 - options.beta1) * g;
    v = options.beta2 * v + (1 - options.beta2) * g * g;
    const at::Tensor root = (v / (1 - std::pow(options.beta2, step))).sqrt() + options.eps;
    w = w * (1 - kLr * options.weight_decay) -
        kLr * (m / (1 - std::pow(options.beta1, step))) / root;
  }
  return {fmt::format("AdamW, three steps of {} numbers", size), distance(weight.detach(), w),
          kFewRoundings};
}

SelfCheck check_sum_of_squares(at::Device device) {
  const at::Tensor a = normals("a", {33}), b = normals("b", {70'001});
  const at::Tensor reference = exact(a).square().sum() + exact(b).square().sum();
  return {"sum of squares", distance(sum_of_squares({a.to(device), b.to(device)}), reference),
          kFewRoundings};
}

// Large enough for every kernel to be asked.
std::vector<SelfCheck> check_products(at::Device device) {
  const at::Tensor a = normals("a", {300, 200}), b = normals("b", {200, 260});
  const at::Tensor weight = normals("weight", {260, 200}), bias = normals("bias", {260});
  const at::Tensor batch_a = normals("batch a", {8, 100, 64}),
                   batch_b = normals("batch b", {8, 64, 90});
  const auto there = [&](const at::Tensor& tensor) { return tensor.to(device); };
  at::Tensor sum = at::full({300, 260}, 1.0, at::device(device).dtype(at::kFloat));
  add_product(sum, there(a), there(b), 0.5);
  return {{"product", distance(product(there(a), there(b)), at::mm(exact(a), exact(b))),
           kManyRoundings},
          {"product added", distance(sum, 1 + 0.5 * at::mm(exact(a), exact(b))), kManyRoundings},
          {"linear map",
           distance(affine(there(a), there(weight), there(bias)),
                    at::linear(exact(a), exact(weight), exact(bias))),
           kManyRoundings},
          {"batched product",
           distance(batched_product(there(batch_a), there(batch_b), 0.25),
                    0.25 * at::bmm(exact(batch_a), exact(batch_b))),
           kManyRoundings}};
}

}  // namespace

std::vector<SelfCheck> kernel_checks(at::Device device) {
  const c10::NoGradGuard no_grad;
  std::vector<SelfCheck> checks;
  for (const std::int64_t size : {1, 511, 200'001}) checks.push_back(check_adamw(device, size));
  checks.push_back(check_sum_of_squares(device));
  for (SelfCheck& check : check_products(device)) checks.push_back(std::move(check));
  return checks;
}

}  // namespace sarsweep::trainer
