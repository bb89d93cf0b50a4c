#include "trainer/core/images/filter_taps.h"

#include <algorithm>
#include <cstddef>

namespace sarsweep::trainer {

std::vector<Taps> filter_taps(const FilterKernel& kernel, int from, int to) {
  const double scale = static_cast<double>(from) / to;
  const double widened = std::max(scale, 1.0);
  std::vector<Taps> all(static_cast<std::size_t>(to));
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - kernel.lobes * widened + 0.5));
    const int end = std::min(from, static_cast<int>(centre + kernel.lobes * widened + 0.5));
    Taps& taps = all[static_cast<std::size_t>(i)];
    taps.first = first;
    double sum = 0;
    for (int x = first; x < end; ++x) {
      taps.weights.push_back(kernel.weight((x + 0.5 - centre) / widened));
      sum += taps.weights.back();
    }
    for (double& weight : taps.weights) weight /= sum;
  }
  return all;
}

}  // namespace sarsweep::trainer
