#pragma once

#include "trainer/torch/model/autoencoder.h"

namespace sarsweep::trainer {

// The autoencoder in tiles of the size it was trained for (vae config sample_size) that overlap by
// a quarter and are blended linearly, as diffusers' enable_tiling() does it. Beside the result,
// memory holds one tile's activations and the seams of one row of tiles. The result differs from
// the whole picture's, because a tile's norms and attention see the tile alone.
//
// True where a side is longer than a tile; else the two functions below are encode and decode.
bool needs_tiles(const Autoencoder& vae, std::int64_t height, std::int64_t width);
// [B,4,h,w] unscaled -> [B,3,H,W], not clamped.
at::Tensor decode_tiled(const Autoencoder& vae, const at::Tensor& latents);
// [B,3,H,W] in [-1,1]; sides in whole latents.
Moments encode_tiled(const Autoencoder& vae, const at::Tensor& pixels);

}  // namespace sarsweep::trainer
