#include "trainer/core/schedule/draws.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "schema/base/philox.h"

namespace sarsweep::trainer {
namespace {

constexpr std::int64_t kTimesteps = 1000;

}  // namespace

std::vector<std::int64_t> permutation(std::uint64_t seed, std::uint64_t epoch, std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  const RandomStream stream(seed, "order", epoch);
  for (std::size_t i = order.size(); i > 1; --i) {  // Fisher-Yates
    std::swap(order[i - 1], order[stream.below(i, i)]);
  }
  return order;
}

std::int64_t SampleDraws::timestep() const {
  return static_cast<std::int64_t>(
      RandomStream(seed_, "timestep", sample_index_).below(kTimesteps, 0));
}

std::int64_t SampleDraws::timestep(double late_share, std::int64_t t_max) const {
  if (t_max >= kTimesteps) return timestep();
  const double u = RandomStream(seed_, "timestep", sample_index_).uniform(0);
  const double early = static_cast<double>(kTimesteps - t_max);
  const double t = u < late_share
                       ? u / late_share * static_cast<double>(t_max)
                       : static_cast<double>(t_max) + (u - late_share) / (1 - late_share) * early;
  return std::min(static_cast<std::int64_t>(t), u < late_share ? t_max - 1 : kTimesteps - 1);
}

void SampleDraws::fill_noise(std::span<float> out) const {
  RandomStream(seed_, "noise", sample_index_).fill_normal(out.data(), out.size());
}

void SampleDraws::fill_offset(std::span<float> out) const {
  RandomStream(seed_, "noise_offset", sample_index_).fill_normal(out.data(), out.size());
}

void SampleDraws::fill_posterior(std::span<float> out) const {
  RandomStream(seed_, "posterior", sample_index_).fill_normal(out.data(), out.size());
}

bool SampleDraws::caption_dropped(double probability) const {
  return RandomStream(seed_, "caption_dropout", sample_index_).uniform(0) < probability;
}

int SampleDraws::crop_row(int places) const {
  return static_cast<int>(
      RandomStream(seed_, "crop", sample_index_).below(static_cast<std::uint64_t>(places), 0));
}

int SampleDraws::crop_column(int places) const {
  return static_cast<int>(
      RandomStream(seed_, "crop", sample_index_).below(static_cast<std::uint64_t>(places), 1));
}

std::size_t SampleDraws::mirror(std::size_t kinds) const {
  return RandomStream(seed_, "flip", sample_index_).below(kinds, 0);
}

}  // namespace sarsweep::trainer
