#include "tests/statistics/simulated_textures.h"

#include <cmath>

namespace sarsweep::statistics {
namespace {

constexpr std::uint64_t kKey = 20'261;
constexpr std::size_t kValues = 12;
constexpr double kError = 0.7;   // SD over labels and values of how far generated pictures lie off
constexpr double kSkew = 0.5;    // SD of the logarithm
constexpr double kCommon = 0.5;  // of a value's variance: what a picture's values have in common

double error_of(std::size_t stratum, std::size_t value) {
  return kError * RandomStream(kKey, "error", stratum).normal(value);
}

// Of a normal z: log-normal, with mean 0 and variance 1.
double skewed(double z) {
  const double square = kSkew * kSkew;
  const double mean = std::exp(square / 2);
  return (std::exp(kSkew * z) - mean) / (mean * std::sqrt(std::exp(square) - 1));
}

// A normal number of each value of image i.
double normal_of(const RandomStream& random, std::size_t i, std::size_t value) {
  const std::size_t place = i * (kValues + 1);
  return std::sqrt(kCommon) * random.normal(place) +
         std::sqrt(1 - kCommon) * random.normal(place + 1 + value);
}

}  // namespace

stats::Textures simulated_textures(const stats::ImageSet& images, double prompt, double error,
                                   const TextureStreams& streams) {
  stats::Textures textures(images);
  for (std::size_t s = 0; s < images.strata().size(); ++s) {
    for (std::size_t i = images.strata()[s].begin; i < images.strata()[s].end; ++i) {
      stats::Texture real;
      stats::Texture generated;
      for (std::size_t k = 0; k < kValues; ++k) {
        real.push_back(skewed(normal_of(streams.real, i, k)));
        const double z = std::sqrt(prompt) * normal_of(streams.prompt, i, k) +
                         std::sqrt(1 - prompt) * normal_of(streams.picture, i, k);
        generated.push_back(skewed(z) + error * error_of(s, k));
      }
      textures.add(i, real, generated);
    }
  }
  textures.close(images);
  return textures;
}

double true_texture_distance(const stats::ImageSet& images, double error) {
  double sum = 0;
  for (std::size_t s = 0; s < images.strata().size(); ++s) {
    for (std::size_t k = 0; k < kValues; ++k) sum += std::abs(error * error_of(s, k));
  }
  return sum / static_cast<double>(images.strata().size() * kValues);
}

}  // namespace sarsweep::statistics
