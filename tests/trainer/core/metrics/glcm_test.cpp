#include "trainer/core/metrics/glcm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "schema/base/error.h"
#include "tests/trainer/core/metrics/speckle.h"
#include "trainer/core/metrics/metric_rules.h"
#include "trainer/core/metrics/texture_windows.h"

namespace sarsweep::trainer {
namespace {

// The image of Haralick's own example.
GreyImage haralick() { return {4, 4, 4, {0, 0, 1, 1, 0, 0, 1, 1, 0, 2, 2, 2, 2, 2, 3, 3}}; }

GlcmFeatures of(const GreyImage& image, int distance, int angle,
                GlcmPairs pairs = GlcmPairs::symmetric) {
  GlcmCounter counter(image.levels, pairs);
  return *counter.features(image, {0, 0, image.height, image.width}, {distance, angle});
}

struct Expected {
  int angle;
  double contrast, homogeneity, correlation, entropy;
};

TEST(Glcm, OfHaralicksImageHasItsPublishedDigits) {
  for (const Expected& row : {Expected{0, .5833333333, .8083333333, .7195325543, 2.0947290475},
                              Expected{45, 1.7777777778, .5111111111, .1627906977, 2.2161022481},
                              Expected{90, 1.0, .7, .4857142857, 2.0947290475},
                              Expected{135, .4444444444, .7777777778, .7352941176, 2.0431918705}}) {
    const GlcmFeatures features = of(haralick(), 1, row.angle);
    EXPECT_NEAR(features[0], row.contrast, 1e-10) << row.angle;
    EXPECT_NEAR(features[1], row.homogeneity, 1e-10) << row.angle;
    EXPECT_NEAR(features[2], row.correlation, 1e-10) << row.angle;
    EXPECT_NEAR(features[3], row.entropy, 1e-10) << row.angle;
  }
  EXPECT_NEAR(of(haralick(), 2, 0)[0], 1.25, 1e-10);
  EXPECT_NEAR(of(haralick(), 2, 90)[0], 2.75, 1e-10);
  EXPECT_NEAR(of(haralick(), 2, 0)[2], .4117647059, 1e-10);
  EXPECT_NEAR(of(haralick(), 2, 90)[2], -.2941176471, 1e-10);
}

TEST(Glcm, OfDirectedPairsHasItsPublishedDigits) {
  const double correlation[] = {.7969884666, .6435959029, .7011695915, .8104432009};
  const double entropy[] = {1.8636799873, 1.6769877743, 1.7481554572, 1.735126457};
  for (int i = 0; i < 4; ++i) {
    const GlcmFeatures features = of(haralick(), 1, 45 * i, GlcmPairs::directed);
    EXPECT_NEAR(features[2], correlation[i], 1e-10) << i;
    EXPECT_NEAR(features[3], entropy[i], 1e-10) << i;
  }
}

TEST(Glcm, OffsetsRoundAndSomeAreTheSame) {
  const auto pixels = [](int distance, int angle) {
    const GlcmOffset offset(distance, angle);
    return std::pair(offset.rows, offset.columns);
  };
  EXPECT_EQ(pixels(1, 0), std::pair(0, 1));
  EXPECT_EQ(pixels(1, 45), std::pair(1, 1));
  EXPECT_EQ(pixels(4, 90), std::pair(4, 0));
  EXPECT_EQ(pixels(8, 135), std::pair(6, -6));
  EXPECT_EQ(pixels(2, 45), pixels(1, 45));
  EXPECT_DOUBLE_EQ(GlcmOffset(2, 45).length(), std::sqrt(2.0));
  EXPECT_EQ(GlcmOffset(2, 45).key(), "2,45");
  const GlcmRules rules = parse_metric_rules({}).glcm;
  EXPECT_EQ(rules.offsets.size(), 16U);
  EXPECT_EQ(rules.distinct.size(), 14U);
  for (std::size_t o = 0; o < rules.offsets.size(); ++o) {
    EXPECT_TRUE(rules.offsets[o].same_as(rules.distinct[rules.place[o]])) << o;
  }
}

// What independent Rayleigh amplitudes over their mean + 3 sigma gave in a simulation of windows of
// 64 x 64, whose mean over 64 windows is known here to a tenth of their spread.
TEST(Glcm, OfIndependentSpeckleIsAsSimulated) {
  struct Row {
    int levels;
    double contrast, homogeneity, entropy;
  };
  for (const Row& row : {Row{16, 20.9, .2355, 5.039}, Row{32, 83.3, .1284, 6.318},
                         Row{64, 333.8, .0671, 0}, Row{256, 5331, .0174, 8.218}}) {
    GlcmFeatures mean{};
    double entropy = 0;  // simulated of pairs in one direction
    for (std::uint64_t i = 0; i < 64; ++i) {
      const AmplitudeImage speckle = rayleigh_image(64, 64, i, 1 / (M_SQRT2 * 2.2759810509810707));
      const GlcmFeatures features = of(grey_levels(speckle, row.levels), 1, 0);
      for (std::size_t f = 0; f < mean.size(); ++f) mean[f] += features[f] / 64;
      entropy += of(grey_levels(speckle, row.levels), 1, 0, GlcmPairs::directed)[3] / 64;
    }
    EXPECT_NEAR(mean[0], row.contrast, 0.01 * row.contrast) << row.levels;
    EXPECT_NEAR(mean[1], row.homogeneity, 0.01 * row.homogeneity) << row.levels;
    EXPECT_NEAR(mean[2], 0, 0.006) << row.levels;
    if (row.entropy > 0) {
      EXPECT_NEAR(entropy, row.entropy, 0.006) << row.levels;
    }
  }
}

TEST(Glcm, OfAFlatWindowIsOneCell) {
  const GreyImage flat{8, 8, 32, std::vector<std::uint8_t>(64, 7)};
  EXPECT_EQ(of(flat, 1, 0)[0], 0);
  EXPECT_EQ(of(flat, 1, 0)[1], 1);
  EXPECT_EQ(of(flat, 1, 0)[2], 1);  // as scikit-image where a deviation is 0
  EXPECT_NEAR(of(flat, 1, 0)[3], 0, 1e-11);
}

TEST(Glcm, PairsDoNotLeaveTheWindow) {
  GreyImage image{6, 6, 4, std::vector<std::uint8_t>(36, 0)};
  for (int i = 0; i < 6; ++i) image.codes[6 * i + 5] = 3;  // the last column
  GlcmCounter counter(4, GlcmPairs::symmetric);
  EXPECT_EQ((*counter.features(image, {0, 0, 6, 5}, {1, 0}))[0], 0);
  EXPECT_GT((*counter.features(image, {0, 0, 6, 6}, {1, 0}))[0], 0);
  EXPECT_FALSE(counter.features(image, {0, 0, 6, 5}, {8, 0}));
  EXPECT_TRUE(counter.features(image, {0, 0, 6, 5}, {4, 135}).has_value());
}

// A quarter turn swaps the angles; a shift of grey levels moves nothing but what it cuts off.
TEST(Glcm, AQuarterTurnSwapsTheAngles) {
  const AmplitudeImage image = rayleigh_image(48, 48, 9, 0.3);
  const GreyImage before = grey_levels(smoothed_along_rows(image), 32);
  const GreyImage after = grey_levels(turned(smoothed_along_rows(image)), 32);
  for (const int distance : {1, 2, 4, 8}) {
    for (const auto& [angle, becomes] : {std::pair(0, 90), {90, 0}, {45, 135}, {135, 45}}) {
      const GlcmFeatures a = of(before, distance, angle);
      const GlcmFeatures b = of(after, distance, becomes);
      for (std::size_t f = 0; f < a.size(); ++f)
        EXPECT_NEAR(a[f], b[f], 1e-12) << distance << angle;
    }
  }
  EXPECT_GT(of(before, 1, 0)[2], of(before, 1, 90)[2] + 0.2);
}

TEST(GreyLevels, ClampAtTheTop) {
  const GreyImage grey = grey_levels({1, 5, {0, 0.03124F, 0.03125F, 0.999F, 1}}, 32);
  EXPECT_EQ(grey.codes, (std::vector<std::uint8_t>{0, 0, 1, 31, 31}));
}

TEST(TextureWindows, AreTheWholePictureWhereItIsSmaller) {
  const auto small = texture_windows(40, 50, nullptr);
  ASSERT_EQ(small.size(), 1U);
  EXPECT_EQ(small[0].height, 40);
  EXPECT_EQ(small[0].width, 50);
  EXPECT_EQ(texture_windows(64, 64, nullptr).size(), 1U);
  EXPECT_EQ(texture_windows(128, 128, nullptr).size(), 9U);
  EXPECT_EQ(texture_windows(40, 128, nullptr).size(), 3U);
}

TEST(TextureWindows, AreSixteenSpreadOverALargePicture) {
  const auto windows = texture_windows(1024, 1024, nullptr);
  ASSERT_EQ(windows.size(), 16U);
  EXPECT_EQ(windows.front().row, 0);
  EXPECT_EQ(windows.front().col, 30 * 32);  // floor(961 / 32) = 30 in raster order
  EXPECT_GT(windows.back().row, 1024 - 128);
}

TEST(TextureWindows, LieInsideTheMaskEntirely) {
  Mask mask{128, 128, std::vector<std::uint8_t>(128 * 128, 0)};
  for (int row = 0; row < 128; ++row) {
    for (int col = 0; col < 96; ++col) mask.inside[row * 128 + col] = 255;
  }
  const auto windows = texture_windows(128, 128, &mask);
  EXPECT_EQ(windows.size(), 6U);
  mask.inside[70 * 128 + 70] = 0;  // amid every window but the two upper ones
  const auto fewer = texture_windows(128, 128, &mask);
  EXPECT_LT(fewer.size(), 6U);
  for (const Window& window : fewer) {
    EXPECT_FALSE(window.row <= 70 && 70 < window.row + 64 && window.col <= 70 &&
                 70 < window.col + 64);
  }
  mask.inside.assign(128 * 128, 0);
  EXPECT_TRUE(texture_windows(128, 128, &mask).empty());
}

TEST(MetricRules, RefuseWhatNoMatrixHas) {
  using nlohmann::json;
  for (const auto& [key, value] :
       std::initializer_list<std::pair<const char*, json>>{{"glcm_levels", 1},
                                                           {"glcm_levels", 257},
                                                           {"glcm_levels", 31.5},
                                                           {"glcm_angles", json::array()},
                                                           {"glcm_angles", {0, 180}},
                                                           {"glcm_angles", {45, 45.0}},
                                                           {"glcm_angles", 45},
                                                           {"glcm_distances", {0}},
                                                           {"glcm_distances", {1, 2.5}},
                                                           {"glcm_distances", {33}},
                                                           {"rank_pool", 1},
                                                           {"rank_mode", "all"},
                                                           {"rank_ties", "best"},
                                                           {"bits", 12},
                                                           {"bins", 1},
                                                           {"masks", 3}}) {
    try {
      parse_metric_rules({{key, value}});
      ADD_FAILURE() << key << " " << value;
    } catch (const Error& error) {
      EXPECT_EQ(error.field(), std::string("eval.") + key) << error.what();
    }
  }
  EXPECT_EQ(
      parse_metric_rules({{"glcm_angles", {0.0, 90.0}}, {"masks", nullptr}}).glcm.offsets.size(),
      8U);
}

}  // namespace
}  // namespace sarsweep::trainer
