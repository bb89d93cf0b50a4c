#include "trainer/torch/sampling/tiled_autoencoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <functional>

namespace sarsweep::trainer {
namespace {

// Where tiles lie on the way from one plane (pixels or latents) to the other.
struct TilePlan {
  std::int64_t tile, stride;   // in the plane read
  std::int64_t blend, keep;    // in the plane written: the seam, and the part a tile covers alone
  std::int64_t rows, columns;  // of the whole plane written
};

// Of tiles of `tile_latents` latents, each `edge` pixels along a side.
struct TileSize {
  explicit TileSize(const Autoencoder& vae)
      : edge(std::int64_t{1} << (vae.config().block_out_channels.size() - 1)),
        latents(std::max<std::int64_t>(4, vae.config().sample_size / edge)),
        stride(latents * 3 / 4) {}
  std::int64_t edge, latents, stride;
};

// Element i of a seam of n is the new tile's by i/n, the neighbour's by the rest.
at::Tensor weights(std::int64_t n, int axis, const at::Tensor& like) {
  at::Tensor ramp = at::empty({n}, at::kFloat);
  float* out = ramp.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    out[i] = static_cast<float>(static_cast<double>(i) / static_cast<double>(n));
  }
  return ramp.to(like.options()).view(axis == 2 ? at::IntArrayRef{n, 1} : at::IntArrayRef{1, n});
}

at::Tensor last(const at::Tensor& x, int axis, std::int64_t count) {
  const std::int64_t n = std::min(count, x.size(axis));
  return x.narrow(axis, x.size(axis) - n, n);
}

// Fades from the end of `neighbour` into the beginning of `tile`, in place.
void fade(const at::Tensor& neighbour, at::Tensor& tile, int axis, std::int64_t seam) {
  const std::int64_t n = std::min({seam, neighbour.size(axis), tile.size(axis)});
  const at::Tensor ramp = weights(n, axis, tile);
  at::Tensor begin = tile.narrow(axis, 0, n);
  begin.copy_(last(neighbour, axis, n) * (1 - ramp) + begin * ramp);
}

using PlaneMap = std::function<at::Tensor(const at::Tensor&)>;

at::Tensor map_tiles(const PlaneMap& map, const at::Tensor& input, const TilePlan& plan) {
  at::Tensor output;
  std::vector<at::Tensor> seams_above;
  for (std::int64_t top = 0, row = 0; top < input.size(2); top += plan.stride, ++row) {
    std::vector<at::Tensor> seams;
    at::Tensor seam_left;
    for (std::int64_t left = 0, column = 0; left < input.size(3); left += plan.stride, ++column) {
      at::Tensor tile = map(input.narrow(2, top, std::min(plan.tile, input.size(2) - top))
                                .narrow(3, left, std::min(plan.tile, input.size(3) - left)));
      if (row > 0) fade(seams_above[static_cast<std::size_t>(column)], tile, 2, plan.blend);
      if (column > 0) fade(seam_left, tile, 3, plan.blend);
      seams.push_back(last(tile, 2, plan.blend).clone());
      seam_left = last(tile, 3, plan.blend).clone();
      if (!output.defined()) {
        output = at::empty({tile.size(0), tile.size(1), plan.rows, plan.columns}, tile.options());
      }
      const std::int64_t height = std::min(plan.keep, tile.size(2));
      const std::int64_t width = std::min(plan.keep, tile.size(3));
      output.narrow(2, row * plan.keep, height)
          .narrow(3, column * plan.keep, width)
          .copy_(tile.narrow(2, 0, height).narrow(3, 0, width));
    }
    seams_above = std::move(seams);
  }
  return output;
}

}  // namespace

bool needs_tiles(const Autoencoder& vae, std::int64_t height, std::int64_t width) {
  const TileSize size(vae);
  return std::max(height, width) > size.latents * size.edge;
}

at::Tensor decode_tiled(const Autoencoder& vae, const at::Tensor& latents) {
  const TileSize size(vae);
  if (std::max(latents.size(2), latents.size(3)) <= size.latents) return vae.decode(latents);
  const TilePlan plan{.tile = size.latents,
                      .stride = size.stride,
                      .blend = (size.latents - size.stride) * size.edge,
                      .keep = size.stride * size.edge,
                      .rows = latents.size(2) * size.edge,
                      .columns = latents.size(3) * size.edge};
  return map_tiles([&vae](const at::Tensor& tile) { return vae.decode(tile); }, latents, plan);
}

Moments encode_tiled(const Autoencoder& vae, const at::Tensor& pixels) {
  const TileSize size(vae);
  if (!needs_tiles(vae, pixels.size(2), pixels.size(3))) return vae.encode(pixels);
  const TilePlan plan{.tile = size.latents * size.edge,
                      .stride = size.stride * size.edge,
                      .blend = size.latents - size.stride,
                      .keep = size.stride,
                      .rows = pixels.size(2) / size.edge,
                      .columns = pixels.size(3) / size.edge};
  const auto encode = [&vae](const at::Tensor& tile) {
    const Moments moments = vae.encode(tile);
    return at::cat({moments.mean, moments.log_variance}, 1);
  };
  const std::vector<at::Tensor> halves = map_tiles(encode, pixels, plan).chunk(2, 1);
  return {halves[0], halves[1]};
}

}  // namespace sarsweep::trainer
