#include "trainer/core/data/view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

using testing::ElementsAre;

// Every pixel differs.
AmplitudeImage ramp(int height, int width) {
  AmplitudeImage image{height, width, {}};
  for (int i = 0; i < height * width; ++i) image.pixels.push_back(static_cast<float>(i));
  return image;
}

TEST(Views, FlipNeverMirrorsRangeUnlessBothIsAsked) {
  const Mirror upside_down{true, false}, left_right{false, true};
  EXPECT_THAT(mirrors_of("none", ""), ElementsAre(Mirror{}));
  EXPECT_THAT(mirrors_of("azimuth", "columns"), ElementsAre(Mirror{}, upside_down));
  EXPECT_THAT(mirrors_of("azimuth", "rows"), ElementsAre(Mirror{}, left_right));
  EXPECT_EQ(mirrors_of("both", "rows").size(), 4U);
  EXPECT_THROW(mirrors_of("azimuth", ""), Error);
  EXPECT_THROW(mirrors_of("range", "rows"), Error);
}

TEST(Views, MirrorsReverseTheAxisTheyName) {
  const AmplitudeImage picture = ramp(3, 3);
  EXPECT_THAT(seen(picture, {0, 0, {true, false}}, 3).pixels,
              ElementsAre(6, 7, 8, 3, 4, 5, 0, 1, 2));
  EXPECT_THAT(seen(picture, {0, 0, {false, true}}, 3).pixels,
              ElementsAre(2, 1, 0, 5, 4, 3, 8, 7, 6));
  EXPECT_THAT(seen(picture, {1, 0, {true, true}}, 2).pixels, ElementsAre(7, 6, 4, 3));
}

TEST(Views, TheCornerToldIsWhereTheSquareLiesInTheMirroredPicture) {
  const AmplitudeImage picture = ramp(9, 12);
  constexpr int kSide = 4;
  for (const Mirror& mirror : mirrors_of("both", "rows")) {
    const View view{2, 5, mirror};
    const std::array<float, 6> told = size_conditioning({90, 120}, {9, 12}, view, kSide);
    EXPECT_THAT(std::vector<float>(told.begin(), told.begin() + 2), ElementsAre(90, 120));
    EXPECT_THAT(std::vector<float>(told.begin() + 4, told.end()), ElementsAre(kSide, kSide));
    // The same pixels, cut out of the whole picture mirrored.
    AmplitudeImage whole = ramp(12, 12);  // `seen` cuts squares: pad the picture to one
    for (int i = 0; i < 144; ++i) whole.pixels[i] = i / 12 < 9 ? picture.pixels[i] : -1;
    const AmplitudeImage turned = seen(whole, {0, 0, mirror}, 12);
    const int shift = mirror.rows ? 3 : 0;  // the padding is above then
    const View there{static_cast<int>(told[2]) + shift, static_cast<int>(told[3]), {}};
    EXPECT_EQ(seen(turned, there, kSide).pixels, seen(picture, view, kSide).pixels);
  }
}

TEST(Views, TilesCoverTheMiddleOnceWithoutOverlap) {
  for (const auto& [height, width] :
       std::vector<std::pair<int, int>>{{8, 8}, {17, 8}, {23, 35}, {9, 15}}) {
    std::map<float, int> counts;
    const std::vector<View> views = tile_views({height, width}, 8);
    EXPECT_EQ(views.size(), static_cast<std::size_t>((height / 8) * (width / 8)));
    for (const View& view : views) {
      for (const float pixel : seen(ramp(height, width), view, 8).pixels) ++counts[pixel];
    }
    EXPECT_EQ(counts.size(), views.size() * 64);
  }
  EXPECT_EQ(tile_views({9, 15}, 8), std::vector{central_view({9, 15}, 8)});
}

TEST(Views, RandomOnesAreUniformAndStayInside) {
  constexpr int kSamples = 20'000;
  std::array<int, 6> rows{};
  std::array<int, 11> columns{};
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const View view = random_view({13, 18}, 8, SampleDraws(3, i));
    ++rows.at(static_cast<std::size_t>(view.row));
    ++columns.at(static_cast<std::size_t>(view.col));
    EXPECT_EQ(view, random_view({13, 18}, 8, SampleDraws(3, i)));
  }
  for (const int n : rows) EXPECT_NEAR(n, kSamples / 6.0, 5 * std::sqrt(kSamples / 6.0));
  for (const int n : columns) EXPECT_NEAR(n, kSamples / 11.0, 5 * std::sqrt(kSamples / 11.0));
}

TEST(Views, ResizingChangesSizesAsTheFieldSays) {
  EXPECT_EQ(prepared_size({100, 300}, "error", 64), (PictureSize{100, 300}));
  EXPECT_EQ(prepared_size({100, 301}, "lanczos", 64), (PictureSize{64, 192}));
  EXPECT_EQ(prepared_size({30, 20}, "lanczos", 64), (PictureSize{96, 64}));
  EXPECT_EQ(prepared_size({200, 301}, "block_mean", 64), (PictureSize{66, 100}));
  EXPECT_EQ(prepared_size({100, 301}, "block_mean", 64), (PictureSize{100, 301}));
  EXPECT_EQ(prepared_size({20, 20}, "block_mean", 64), (PictureSize{20, 20}));
  for (const char* resize : {"error", "lanczos", "block_mean"}) {
    const AmplitudeImage image = prepared(ramp(35, 41), resize, 16);
    EXPECT_EQ((PictureSize{image.height, image.width}), prepared_size({35, 41}, resize, 16));
  }
}

}  // namespace
}  // namespace sarsweep::trainer
