#include "trainer/core/data/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "schema/base/error.h"
#include "trainer/core/images/resample.h"

namespace sarsweep::trainer {

std::vector<Mirror> mirrors_of(const std::string& flip, const std::string& range_axis) {
  if (flip == "none") return {Mirror{}};
  if (flip != "azimuth" && flip != "both") {
    throw Error(ErrorCode::invalid,
                fmt::format("data.flip must be none, azimuth or both (got '{}')", flip),
                "data.flip");
  }
  if (range_axis != "rows" && range_axis != "columns") {
    throw Error(ErrorCode::invalid,
                fmt::format("data.range_axis must be rows or columns where data.flip is {} (got "
                            "'{}'): only it tells which side shadows fall on",
                            flip, range_axis),
                "data.range_axis");
  }
  const Mirror azimuth{range_axis == "columns", range_axis == "rows"};
  if (flip == "azimuth") return {Mirror{}, azimuth};
  return {Mirror{}, azimuth, {azimuth.columns, azimuth.rows}, {true, true}};
}

PictureSize prepared_size(PictureSize stored, const std::string& resize, int resolution) {
  const int shorter = std::min(stored.height, stored.width);
  if (resize == "lanczos") {
    const auto scaled = [&](int side) {
      return static_cast<int>(std::int64_t{side} * resolution / shorter);
    };
    return {scaled(stored.height), scaled(stored.width)};
  }
  const int factor = resize == "block_mean" ? std::max(1, shorter / resolution) : 1;
  return {stored.height / factor, stored.width / factor};
}

AmplitudeImage prepared(const AmplitudeImage& stored, const std::string& resize, int resolution) {
  const PictureSize before{stored.height, stored.width};
  const PictureSize after = prepared_size(before, resize, resolution);
  if (after == before) return stored;
  if (resize == "lanczos") return lanczos(stored, after.height, after.width);
  return block_mean(stored, std::min(before.height, before.width) / resolution);
}

View central_view(PictureSize prepared, int resolution) {
  return {(prepared.height - resolution) / 2, (prepared.width - resolution) / 2, {}};
}

std::vector<View> tile_views(PictureSize prepared, int resolution) {
  const int down = prepared.height / resolution, across = prepared.width / resolution;
  const int top = (prepared.height - down * resolution) / 2;
  const int left = (prepared.width - across * resolution) / 2;
  std::vector<View> views;
  for (int i = 0; i < down * across; ++i) {
    views.push_back({top + i / across * resolution, left + i % across * resolution, {}});
  }
  return views;
}

View random_view(PictureSize prepared, int resolution, const SampleDraws& draws) {
  return {draws.crop_row(prepared.height - resolution + 1),
          draws.crop_column(prepared.width - resolution + 1),
          {}};
}

AmplitudeImage seen(const AmplitudeImage& prepared, const View& view, int resolution) {
  return mirrored(crop(prepared, view.row, view.col, resolution, resolution), view.mirror.rows,
                  view.mirror.columns);
}

std::array<float, 6> size_conditioning(PictureSize stored, PictureSize prepared, const View& view,
                                       int resolution) {
  const int top = view.mirror.rows ? prepared.height - resolution - view.row : view.row;
  const int left = view.mirror.columns ? prepared.width - resolution - view.col : view.col;
  const auto side = static_cast<float>(resolution);
  return {static_cast<float>(stored.height),
          static_cast<float>(stored.width),
          static_cast<float>(top),
          static_cast<float>(left),
          side,
          side};
}

}  // namespace sarsweep::trainer
