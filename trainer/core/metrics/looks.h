#pragma once

#include <optional>

#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

inline constexpr int kLooksPatch = 32;  // pixels a side: 1024 samples spread an estimate by 6 %

// The equivalent number of looks mean² / variance (population variance), of two quantities. Ideal
// speckle of L looks scores L by its intensity a² and, by its amplitude a, 3.660 for one look
// (pi / (4 - pi)), 7.589 for two, 15.546 for four.
struct Looks {
  double amplitude = 0, intensity = 0;
};

// Of the most homogeneous patches of linear amplitude: the picture is cut into patches of 32 x 32
// pixels (an axis that is shorter is taken whole, remainders are dropped); those whose 8 x 8 block
// means vary least, by their coefficient of variation, are an eighth of all, at least 1 and at most
// 16; the result is the mean over them. Blocks average speckle away, so a patch is not chosen for
// the very variance it is then measured by. Patches without variance (no data, saturated) do not
// take part; nullopt where all are such.
std::optional<Looks> equivalent_looks(const AmplitudeImage& amplitude);

}  // namespace sarsweep::trainer
