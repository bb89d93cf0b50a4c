#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "trainer/core/images/amplitude.h"

// The way of a picture into a CLIP tower, in eight bits as Pillow goes it, bit for bit: whoever
// judges by CLIP elsewhere loads a file, resizes it with Pillow and cuts the middle out.
namespace sarsweep::trainer {

// One channel of eight bits, row-major.
struct EightBitImage {
  int height = 0, width = 0;
  std::vector<std::uint8_t> codes;
};

// A stretched amplitude: clamped to [0,1], times 255, rounded half up.
EightBitImage eight_bit(const AmplitudeImage& stretched);

// Pillow 13's BICUBIC on an eight-bit channel: Keys' kernel with a = -1/2, widened when it reduces;
// weights in 22 bits behind the point. Along the rows first, then along the columns, with eight
// bits between them; the other way round where more than twice as many rows as columns go. (Before
// 13 it was always the first way: what it gives for squares has not changed.)
EightBitImage bicubic(const EightBitImage& image, int height, int width);

// The shortest side becomes `side`, the other one follows (rounded down), then the middle square;
// of an odd margin the far side is cut by one pixel more.
EightBitImage clip_square(const EightBitImage& image, int side);

}  // namespace sarsweep::trainer
