#include "coordinator/stats/textures.h"

#include <algorithm>
#include <cmath>

#include "schema/base/error.h"

namespace sarsweep::stats {
namespace {

// A standard deviation below this part of the mean is rounding.
constexpr double kNoSpread = 1e-12;

}  // namespace

Textures::Textures(const ImageSet& images) : pictures_(images.size()) {}

void Textures::add(std::size_t i, const std::optional<Texture>& real,
                   const std::optional<Texture>& generated) {
  for (const std::optional<Texture>* side : {&real, &generated}) {
    if (!side->has_value()) continue;
    if (width_ == 0) width_ = (*side)->size();
    if ((*side)->size() != width_) {
      throw Error(ErrorCode::invalid, "the result document: its textures differ in their values",
                  "images");
    }
  }
  if (real) pictures_[i].real.push_back(*real);
  if (generated) pictures_[i].generated.push_back(*generated);
}

void Textures::close(const ImageSet& images) {
  rows_.assign(images.size() * row_size(), 0);
  for (const ImageSet::Stratum& stratum : images.strata()) {
    Texture& centre = centres_.emplace_back(width_);
    double pictures = 0;
    for (std::size_t i = stratum.begin; i < stratum.end; ++i) {
      for (const Texture& texture : pictures_[i].real) {
        ++pictures;
        for (std::size_t k = 0; k < width_; ++k) centre[k] += texture[k];
      }
    }
    for (double& value : centre) value /= std::max(pictures, 1.0);
    for (std::size_t i = stratum.begin; i < stratum.end; ++i) {
      double* row = rows_.data() + i * row_size();
      row[0] = static_cast<double>(pictures_[i].real.size());
      row[1] = static_cast<double>(pictures_[i].generated.size());
      for (std::size_t k = 0; k < width_; ++k) {
        for (const Texture& texture : pictures_[i].real) {
          const double value = texture[k] - centre[k];
          row[2 + k] += value;
          row[2 + width_ + k] += value * value;
        }
        for (const Texture& texture : pictures_[i].generated) {
          row[2 + 2 * width_ + k] += texture[k] - centre[k];
        }
      }
    }
  }
  pictures_.clear();
}

void Textures::add_image(std::size_t i, double weight, Sums& sums) const {
  const double* row = rows_.data() + i * row_size();
  for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += weight * row[k];
}

Textures::Part Textures::part(std::size_t stratum, const Sums& sums) const {
  Part part;
  const double real = sums[0];
  const double generated = sums[1];
  if (!(real > 0) || !(generated > 0)) return part;
  for (std::size_t k = 0; k < width_; ++k) {
    const double mean = sums[2 + k] / real;
    const double variance = sums[2 + width_ + k] / real - mean * mean;
    const double deviation = std::sqrt(std::max(variance, 0.0));
    if (deviation <= kNoSpread * std::abs(centres_[stratum][k] + mean)) continue;
    part.sum += std::abs(sums[2 + 2 * width_ + k] / generated - mean) / deviation;
    ++part.count;
  }
  return part;
}

}  // namespace sarsweep::stats
