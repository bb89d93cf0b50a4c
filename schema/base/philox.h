#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sarsweep {

// Philox4x32-10 (Salmon et al., SC 2011): four 32-bit words as a pure function of a 64-bit key and
// a 128-bit counter. There is no state, hence nothing to save, and the same bytes on every machine.
std::array<std::uint32_t, 4> philox4x32(std::uint64_t key, std::uint64_t counter_low,
                                        std::uint64_t counter_high);

// The random variates of one (seed, purpose, index): element i never depends on how many were drawn
// before. Uniforms lie in (0, 1); normals come from Box-Muller in double precision.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::string_view purpose, std::uint64_t index);

  double uniform(std::uint64_t i) const;
  double normal(std::uint64_t i) const;
  std::uint64_t bits(std::uint64_t i) const;
  // Uniform on [0, n), n < 2^32, by multiply-shift (bias below 2^-32).
  std::uint64_t below(std::uint64_t n, std::uint64_t i) const;
  // Fills out[0..count) with normals: equal to normal(0), normal(1), …
  void fill_normal(float* out, std::uint64_t count) const;

 private:
  std::uint64_t key_;
  std::uint64_t index_;
};

}  // namespace sarsweep
