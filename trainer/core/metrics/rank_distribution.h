#pragma once

#include <cstdint>
#include <vector>

#include "trainer/core/metrics/clip_rank.h"

namespace sarsweep::trainer {

// How a picture's caption stands among the other candidates.
struct Standing {
  std::uint64_t others = 0, above = 0, tied = 0;  // above and tied: of the others
};

// Captions of the largest pool up to `pool` that the candidates fill, the own one included.
int pool_of(const Standing& standing, int pool);

// The mean rank over all pools: 1 + (N - 1) k / P, P the other candidates and k those above, where
// a tie counts 0, 1/2 or 1.
double expected_rank(const Standing& standing, RankTies ties, int pool);

// The rank of a picture drawn at random in a pool drawn at random. Of one picture the rank less one
// is a sum of N - 1 of the P values 0, 1/2 and 1 drawn without replacement: hypergeometric, with
// the variance (N - 1) s² (P - N + 1) / (P - 1), s² the population variance of the values.
class RankDistribution {
 public:
  // At least one picture, each with candidates.
  RankDistribution(const std::vector<Standing>& pictures, RankTies ties, int pool);

  double mean() const { return mean_; }
  double variance() const { return variance_; }
  // The least rank that half of the mass does not exceed; halfway to the next one where exactly
  // half lies there, as in a sample.
  double median() const;

 private:
  double mean_ = 0, variance_ = 0;
  std::vector<double> mass_;  // of rank 1 + i / 2
};

}  // namespace sarsweep::trainer
