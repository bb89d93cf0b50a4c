#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace sarsweep::trainer {

// A weight that trains in fp32 and computes in a narrower type: cast once after each change, not in
// every pass. Not safe for two threads.
class ComputeCopy {
 public:
  // `weight` in `type`, with the weight's own gradient. Only where it trains and the graph is
  // recorded is a copy made to be kept; a change by an in-place operator, or by whoever bumps the
  // version of what it writes, makes it anew.
  at::Tensor of(const at::Tensor& weight, at::ScalarType type);
  void forget() { *this = {}; }  // The weight got other memory.

  // For who writes weight and copy together (AdamW). From now on the copy lies in `memory`, of the
  // weight's shape and the type it computes in.
  void lie_in(at::Tensor memory);
  // Whether the copy lies in `memory` and is that of `weight` as it is.
  bool is_current(const at::Tensor& weight, const at::Tensor& memory) const;
  // It was written with the weight, whose version has grown.
  void follow(const at::Tensor& weight);

 private:
  static constexpr std::int64_t kNever = -1;

  at::Tensor copy_;
  bool lent_ = false;  // the memory is another's, and stays
  std::int64_t version_ = kNever;
};

}  // namespace sarsweep::trainer
