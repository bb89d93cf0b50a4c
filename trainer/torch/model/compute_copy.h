#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace sarsweep::trainer {

// A weight that trains in fp32 and computes in a narrower type: cast once after each change, not in
// every pass. Not safe for two threads.
class ComputeCopy {
 public:
  // `weight` in `type`, with the weight's own gradient. Only where it trains and the graph is
  // recorded is a copy kept; a change by an in-place operator, or by whoever bumps the version of
  // what it writes, makes it anew.
  at::Tensor of(const at::Tensor& weight, at::ScalarType type);
  void forget() { copy_.reset(); }  // The weight got other memory.

 private:
  at::Tensor copy_;
  std::int64_t version_ = 0;
};

}  // namespace sarsweep::trainer
