#pragma once

#include <cmath>

// A function so marked is compiled for each width of vector a processor may have; the widest of
// this one is taken. What it calls must be inlined into it.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SARSWEEP_WIDEST \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
// The C library has these for whole vectors (libmvec, at most 4 units in the last place off); its
// header says so only to those who give up the rest of IEEE arithmetic.
#pragma omp declare simd notinbranch
extern "C" float erff(float x) noexcept;
#pragma omp declare simd notinbranch
extern "C" float expf(float x) noexcept;
#else
#define SARSWEEP_WIDEST
#endif
#define SARSWEEP_INLINE inline __attribute__((always_inline))
