#pragma once

#include <bit>
#include <cstdint>

#ifdef __CUDACC__
#define SARSWEEP_BOTH_SIDES __host__ __device__
#else
#define SARSWEEP_BOTH_SIDES
#endif

namespace sarsweep::trainer {

// The bf16 nearest to an fp32 number, of two the even one, as its bits: what a cast of a tensor
// gives. A NaN becomes the quiet one.
SARSWEEP_BOTH_SIDES inline std::uint16_t nearest_bf16(float value) {
#ifdef __CUDA_ARCH__
  const std::uint32_t bits = __float_as_uint(value);
#else
  const auto bits = std::bit_cast<std::uint32_t>(value);
#endif
  constexpr std::uint32_t kHalfBelow = 0x7FFF, kNan = 0x7FC0;
  const std::uint32_t rounded = (bits + kHalfBelow + ((bits >> 16) & 1)) >> 16;
  return static_cast<std::uint16_t>(value != value ? kNan : rounded);
}

}  // namespace sarsweep::trainer
