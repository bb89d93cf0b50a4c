#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "coordinator/stats/image_set.h"

namespace sarsweep::stats {

// The numbers that describe the texture of a picture, one for each feature and offset.
using Texture = std::vector<double>;

// The textures of a run's images, and the distance that docs/evaluation.md calls glcm_distance: the
// mean, over labels of 10 pictures and more, features and offsets, of |generated - real| / SD of
// the real pictures. Pure.
class Textures {
 public:
  // Of one label: the sum of the ratios, and how many there are.
  struct Part {
    double sum = 0, count = 0;
  };
  // Sums over images of a stratum, each with its weight.
  using Sums = std::vector<double>;

  Textures() = default;
  explicit Textures(const ImageSet& images);
  // One picture of image i; nullopt where it has no texture. Throws Error(invalid) where it has
  // another number of values than those before.
  void add(std::size_t i, const std::optional<Texture>& real,
           const std::optional<Texture>& generated);
  // After the last picture.
  void close(const ImageSet& images);

  bool empty() const { return width_ == 0; }
  Sums none() const { return Sums(row_size()); }
  void add_image(std::size_t i, double weight, Sums& sums) const;
  Part part(std::size_t stratum, const Sums& sums) const;

 private:
  // A row holds the number of real and generated pictures, and the sums of the real values, of
  // their squares and of the generated ones, all less the stratum's mean of the real ones: so that
  // values that do not vary have no scatter, to the last bit.
  std::size_t row_size() const { return 2 + 3 * width_; }

  struct Pictures {
    std::vector<Texture> real, generated;
  };
  std::size_t width_ = 0;
  std::vector<Pictures> pictures_;  // of each image, until it is closed
  std::vector<double> rows_;
  std::vector<Texture> centres_;  // by stratum
};

}  // namespace sarsweep::stats
