#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

// Every random number of training, as a pure function of (seed, purpose, sample index), the sample
// index being data epoch * N + position in that epoch's permutation. Nothing depends on the batch,
// on the number of processes, or on what was drawn before.
namespace sarsweep::trainer {

// The order of a data epoch: a permutation of 0 … n-1.
std::vector<std::int64_t> permutation(std::uint64_t seed, std::uint64_t epoch, std::int64_t n);

// Draws of one sample.
class SampleDraws {
 public:
  SampleDraws(std::uint64_t seed, std::uint64_t sample_index)
      : seed_(seed), sample_index_(sample_index) {}

  std::int64_t timestep() const;  // uniform on [0, 1000)
  // With probability `late_share` uniform on [0, t_max), else on [t_max, 1000); t_max in 1 … 1000.
  // Rises with the number that timestep() is made of: share t_max / 1000 is timestep() itself.
  std::int64_t timestep(double late_share, std::int64_t t_max) const;
  void fill_noise(std::span<float> out) const;   // standard normal, one latent in row-major order
  void fill_offset(std::span<float> out) const;  // standard normal, one per channel; unscaled
  void fill_posterior(std::span<float> out) const;
  bool caption_dropped(double probability) const;
  // Uniform on [0, places), places >= 1: where a random crop begins.
  int crop_row(int places) const;
  int crop_column(int places) const;
  std::size_t mirror(std::size_t kinds) const;  // uniform on [0, kinds), kinds >= 1

 private:
  std::uint64_t seed_, sample_index_;
};

}  // namespace sarsweep::trainer
