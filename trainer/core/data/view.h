#pragma once

#include <array>
#include <string>
#include <vector>

#include "trainer/core/images/amplitude.h"
#include "trainer/core/schedule/draws.h"

// What part of a picture a sample shows, and how. Formulas: docs/data.md.
namespace sarsweep::trainer {

// `rows`: the order of the rows is reversed (upside down); `columns`: left and right change places.
struct Mirror {
  bool rows = false, columns = false;
  bool operator==(const Mirror&) const = default;
};

// After data.resize: the square of `resolution` whose upper left pixel is (row, col), then
// mirrored.
struct View {
  int row = 0, col = 0;
  Mirror mirror = {};
  bool operator==(const View&) const = default;
};

struct PictureSize {
  int height = 0, width = 0;
  bool operator==(const PictureSize&) const = default;
};

// The mirrorings that data.flip allows, the picture as it is first. `range_axis` is "rows" where
// range runs along the row index and "columns" where it runs along the column index. Throws
// Error(invalid, field data.flip or data.range_axis).
std::vector<Mirror> mirrors_of(const std::string& flip, const std::string& range_axis);

// The size after data.resize ("error", "lanczos", "block_mean") for squares of `resolution`:
// lanczos brings the short side to `resolution` (the long side rounded down), block_mean divides by
// the largest whole number that leaves `resolution`, error changes nothing.
PictureSize prepared_size(PictureSize stored, const std::string& resize, int resolution);
// The picture of that size.
AmplitudeImage prepared(const AmplitudeImage& stored, const std::string& resize, int resolution);

// The central square; of an odd margin the far side is cut by one pixel more.
View central_view(PictureSize prepared, int resolution);
// Whole squares side by side, row by row, their block in the middle of the picture.
std::vector<View> tile_views(PictureSize prepared, int resolution);
// A square anywhere, by the sample's own draws.
View random_view(PictureSize prepared, int resolution, const SampleDraws& draws);

// The pixels of a view of a prepared picture, which must hold it.
AmplitudeImage seen(const AmplitudeImage& prepared, const View& view, int resolution);

// SDXL's six numbers: height and width as stored, top and left of the square in the prepared and
// mirrored picture, height and width of the square (arXiv 2307.01952, 2.2).
std::array<float, 6> size_conditioning(PictureSize stored, PictureSize prepared, const View& view,
                                       int resolution);

}  // namespace sarsweep::trainer
