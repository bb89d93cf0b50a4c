#pragma once

#include <cstdint>

// GEGLU (Shazeer, "GLU Variants Improve Transformer", 2020): y = value · gelu(gate), the exact gelu
// g·Φ(g), of rows that hold [value | gate], `width` numbers each. fp32, on the host.
namespace sarsweep::trainer {

// [rows, 2·width] -> y [rows, width].
void geglu(const float* projected, float* y, std::int64_t rows, std::int64_t width);

// The gradient of `projected` [rows, 2·width] from that of y.
void geglu_backward(const float* of_y, const float* projected, float* of_projected,
                    std::int64_t rows, std::int64_t width);

}  // namespace sarsweep::trainer
