#pragma once

#include <functional>
#include <string>
#include <vector>

#include <c10/core/Device.h>

#include "trainer/torch/model/component.h"

// What a machine computes, beside a reference: for whoever has a processor or GPU that nobody has
// trained on yet. The references are plain operators in fp64 on the CPU. Seconds on two cores.
namespace sarsweep::trainer {

struct SelfCheck {
  std::string name;
  double error = 0, allowed = 0;                    // relative to the reference
  bool passed() const { return error <= allowed; }  // a NaN does not
};

// The optimizer's step and sums, and the products that linear layers are made of.
std::vector<SelfCheck> kernel_checks(at::Device device);

// Every layer with a node of its own, every network at the tiny preset's widths, and the terms of
// refinement.
std::vector<SelfCheck> gradient_checks(at::Device device);

// A scalar with its graph, computed on `device` in `type`.
using CheckedLoss = std::function<at::Tensor(at::Device device, at::ScalarType type)>;

// Of one network, whose parameters and adapters are left in fp64 on the CPU: the loss and its
// gradient in fp32 on `device` against fp64, that gradient against differences of the loss along
// it, and the gradient in bf16.
std::vector<SelfCheck> check_network(const std::string& name, Component& network, at::Device device,
                                     const CheckedLoss& loss);

}  // namespace sarsweep::trainer
