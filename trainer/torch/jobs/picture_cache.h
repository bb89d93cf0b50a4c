#pragma once

#include <cstddef>
#include <unordered_map>

#include "trainer/core/data/dataset.h"

namespace sarsweep::trainer {

// The stretched pictures of a split, decoded once as far as memory is granted. Confined to one
// thread; the data set must outlive it.
class PictureCache {
 public:
  explicit PictureCache(const Dataset& data) : data_(data) {}
  AmplitudeImage stretched(std::size_t index);

 private:
  const Dataset& data_;
  std::unordered_map<std::size_t, AmplitudeImage> known_;
  std::size_t bytes_ = 0;
};

}  // namespace sarsweep::trainer
