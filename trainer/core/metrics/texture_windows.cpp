#include "trainer/core/metrics/texture_windows.h"

#include <algorithm>
#include <cassert>

namespace sarsweep::trainer {
namespace {

bool lies_inside(const Window& window, const Mask& mask) {
  for (int row = window.row; row < window.row + window.height; ++row) {
    const auto begin =
        mask.inside.begin() + static_cast<std::ptrdiff_t>(row) * mask.width + window.col;
    if (std::find(begin, begin + window.width, std::uint8_t{0}) != begin + window.width) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<Window> texture_windows(int height, int width, const Mask* mask) {
  assert(mask == nullptr || (mask->height == height && mask->width == width));
  const int window_height = std::min(kWindowSide, height);
  const int window_width = std::min(kWindowSide, width);
  std::vector<Window> fitting;
  for (int row = 0; row + window_height <= height; row += kWindowStride) {
    for (int col = 0; col + window_width <= width; col += kWindowStride) {
      const Window window{row, col, window_height, window_width};
      if (mask == nullptr || lies_inside(window, *mask)) fitting.push_back(window);
    }
  }
  if (fitting.size() <= kMostWindows) return fitting;
  std::vector<Window> chosen;
  for (std::size_t i = 0; i < kMostWindows; ++i) {
    chosen.push_back(fitting[(2 * i + 1) * fitting.size() / (2 * kMostWindows)]);
  }
  return chosen;
}

}  // namespace sarsweep::trainer
