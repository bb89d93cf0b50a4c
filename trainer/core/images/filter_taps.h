#pragma once

#include <vector>

namespace sarsweep::trainer {

// A filter of resampling, in units of its source's pixels.
struct FilterKernel {
  double (*weight)(double x);
  double lobes;  // zero from here on, on both sides
};

// What one pixel of the result takes of a line: `weights` from `first` on, their sum 1.
struct Taps {
  int first = 0;
  std::vector<double> weights;
};

// Those of every pixel of a line of `to` pixels made of one of `from`. The kernel is widened when
// it reduces, so that nothing aliases, and cut at the edges, as Pillow does.
std::vector<Taps> filter_taps(const FilterKernel& kernel, int from, int to);

}  // namespace sarsweep::trainer
