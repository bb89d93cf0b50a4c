#pragma once

#include <cstdint>
#include <vector>

#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

// Where tensors lie in one buffer: in their order, each on a boundary of 64 bytes of fp32, with
// gaps below that. Tensors that lay one right behind the other before (Component::add_adjacent)
// still do.
class FlatLayout {
 public:
  FlatLayout() = default;
  explicit FlatLayout(const NamedTensors& tensors);

  std::int64_t size() const { return size_; }  // numbers, gaps included
  // Zeros for all of them, on their device.
  at::Tensor make_buffer(const NamedTensors& tensors, at::ScalarType type) const;
  // The i-th tensor's place in `buffer`: a tensor of its own on that storage, no view.
  at::Tensor place(const at::Tensor& buffer, std::size_t i) const;
  std::vector<at::Tensor> places(const at::Tensor& buffer) const;
  // Whether nothing but a gap lies between the two places, which are of one buffer.
  static bool next_to(const at::Tensor& place, const at::Tensor& next);

 private:
  struct Part {
    std::int64_t begin = 0;
    std::vector<std::int64_t> shape;
  };
  std::vector<Part> parts_;
  std::int64_t size_ = 0;
};

// Moves the tensors (fp32, of one device) into a buffer of their own, one after the other: every
// handle of them finds them there. Values, gradients wanted and versions stay.
void move_into_buffer(const NamedTensors& tensors, const FlatLayout& layout);

}  // namespace sarsweep::trainer
