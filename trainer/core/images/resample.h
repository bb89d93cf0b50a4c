#pragma once

#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

// Lanczos with three lobes, widened when it reduces, as Pillow's LANCZOS on float pictures: columns
// first, then rows, weights normalised at the edges. Negative overshoot becomes 0: amplitude has no
// sign. Neighbouring pixels of the result are correlated, which speckle is not.
AmplitudeImage lanczos(const AmplitudeImage& image, int height, int width);

// Blocks of `factor`² pixels become the root of their mean intensity (multi-looking); rows and
// columns beyond the last whole block are cut.
AmplitudeImage block_mean(const AmplitudeImage& image, int factor);

// `rows`: the order of the rows is reversed; `columns`: that of the columns.
AmplitudeImage mirrored(AmplitudeImage image, bool rows, bool columns);

}  // namespace sarsweep::trainer
