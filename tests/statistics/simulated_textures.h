#pragma once

#include "coordinator/stats/textures.h"
#include "schema/base/philox.h"

namespace sarsweep::statistics {

struct TextureStreams {
  RandomStream real, prompt, picture;
};

// What co-occurrence says of each picture: some numbers that are skewed over the images of a label
// and go together. Of generated pictures each lies off by so many standard deviations of the real
// ones, another number for each label, times `error`. `prompt` is the share of a generated
// picture's variance that all models have in common. Pure.
stats::Textures simulated_textures(const stats::ImageSet& images, double prompt, double error,
                                   const TextureStreams& streams);

// glcm_distance over infinitely many images.
double true_texture_distance(const stats::ImageSet& images, double error);

}  // namespace sarsweep::statistics
