#pragma once

#include <array>
#include <optional>

#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

inline constexpr int kSpectrumRings = 32;

// Ring k = 1 … 32, at index k - 1, lies at k / 64 cycles per pixel: the last is the Nyquist
// frequency of an axis.
constexpr double ring_frequency(int index) { return (index + 1) / (2.0 * kSpectrumRings); }

// The power spectrum of linear amplitude by frequency alone: with F the discrete Fourier transform
// of a - mean(a) over H x W pixels, ring k holds the mean of |F|² / (H W variance of a) over the
// frequencies whose distance from 0 in cycles per pixel, times 64, rounds to k. White noise is 1
// everywhere, and no gain changes it. Corners beyond ring 32 are left out; a ring without any
// frequency (small pictures) has no value, and none has where the picture is constant.
std::array<std::optional<double>, kSpectrumRings> radial_spectrum(const AmplitudeImage& amplitude);

}  // namespace sarsweep::trainer
