#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <set>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "tests/trainer/core/temp_folder.h"
#include "trainer/core/data/dataset.h"
#include "trainer/core/synthetic/radar.h"
#include "trainer/core/synthetic/synthetic_set.h"

namespace sarsweep::trainer::synthetic {
namespace {

Reflectivity flat(int size, double sigma, bool rough = false) {
  const auto pixels = static_cast<std::size_t>(size) * size;
  return {size,
          std::vector<double>(pixels, sigma),
          std::vector<std::uint8_t>(pixels, rough ? 1 : 0),
          {}};
}

ComplexImage look(const Reflectivity& scene, const RadarOptions& options, std::uint64_t index) {
  return observe(scene, options, RandomStream(5, "speckle", index),
                 RandomStream(5, "texture", index));
}

constexpr RadarOptions kFullBand{.bandwidth = 1, .hamming = false, .noise_floor_db = -200};

struct Moments {
  double mean = 0, variance = 0;
};
Moments moments(const std::vector<double>& values) {
  Moments result;
  for (const double value : values) result.mean += value / static_cast<double>(values.size());
  for (const double value : values) {
    result.variance +=
        (value - result.mean) * (value - result.mean) / static_cast<double>(values.size());
  }
  return result;
}

std::vector<double> intensities(const ComplexImage& image) {
  std::vector<double> result;
  for (const auto& z : image) result.push_back(std::norm(z));
  return result;
}

TEST(Speckle, OfAFlatPatchIsExponentialInIntensity) {
  const ComplexImage image = look(flat(256, 0.3), kFullBand, 0);
  const Moments intensity = moments(intensities(image));
  EXPECT_NEAR(intensity.mean, 0.3, 0.005);
  EXPECT_NEAR(intensity.mean * intensity.mean / intensity.variance, 1, 0.03);  // ENL
  std::vector<double> amplitude;
  for (const auto& z : image) amplitude.push_back(std::abs(z));
  const Moments a = moments(amplitude);
  EXPECT_NEAR(std::sqrt(a.variance) / a.mean, 0.5227, 0.005);
}

TEST(Speckle, AmplitudePassesKolmogorovSmirnovAgainstRayleigh) {
  std::vector<double> intensity = intensities(look(flat(256, 1), kFullBand, 1));
  std::sort(intensity.begin(), intensity.end());
  const auto n = static_cast<double>(intensity.size());
  double distance = 0;
  for (std::size_t i = 0; i < intensity.size(); ++i) {
    const double expected = 1 - std::exp(-intensity[i]);
    const auto rank = static_cast<double>(i);
    distance = std::max({distance, expected - rank / n, (rank + 1) / n - expected});
  }
  EXPECT_LT(distance * std::sqrt(n), 1.63);  // 1 % level
}

TEST(Speckle, PhaseIsUniform) {
  std::array<int, 16> counts{};
  const ComplexImage image = look(flat(256, 1), kFullBand, 2);
  for (const auto& z : image) {
    const double turn = std::arg(z) / (2 * std::numbers::pi) + 0.5;
    ++counts[std::min(15, static_cast<int>(turn * 16))];
  }
  double chi = 0;
  const double expected = static_cast<double>(image.size()) / 16;
  for (const int count : counts) chi += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi, 30.6);  // 15 degrees of freedom, 1 % level
}

TEST(Speckle, CorrelatesAsTheBandLimitSays) {
  for (const auto& [bandwidth, expected] :
       {std::pair{0.8, 0.0547}, std::pair{0.7, 0.135}, std::pair{0.5, 0.405}}) {
    const RadarOptions options{.bandwidth = bandwidth, .hamming = false, .noise_floor_db = -200};
    double sum = 0;
    for (std::uint64_t index = 0; index < 4; ++index) {
      const std::vector<double> intensity = intensities(look(flat(256, 1), options, index));
      const Moments m = moments(intensity);
      double product = 0;
      for (std::size_t i = 0; i < intensity.size(); ++i) {
        const std::size_t next = i % 256 == 255 ? i - 255 : i + 1;
        product += (intensity[i] - m.mean) * (intensity[next] - m.mean);
      }
      sum += product / static_cast<double>(intensity.size()) / m.variance;
      EXPECT_NEAR(m.mean, 1, 0.05);  // The band limit keeps the power of noise.
    }
    EXPECT_NEAR(sum / 4, expected, 0.015) << bandwidth;
  }
}

TEST(Texture, GivesTheSecondMomentOfKDistribution) {
  double ratio = 0;
  constexpr int kImages = 6;
  for (std::uint64_t index = 0; index < kImages; ++index) {
    const Moments m = moments(intensities(look(flat(256, 1, true), kFullBand, index)));
    ratio += (m.variance / (m.mean * m.mean) + 1) / kImages;
  }
  EXPECT_NEAR(ratio, 2 * (1 + 1.0 / 4), 0.06);
}

TEST(PointTarget, HasTheWidthOfTheBand) {
  Reflectivity scene = flat(64, 0);
  scene.points.push_back({32, 32, 1e6, 0.3});
  const RadarOptions options{.bandwidth = 0.5, .hamming = false, .noise_floor_db = -200};
  const ComplexImage image = look(scene, options, 0);
  const auto power = [&](int col) { return std::norm(image[32 * 64 + col]); };
  // 0.886 / 0.5 = 1.77 pixels at -3 dB: half the power is crossed between 0.5 and 1.5 pixels.
  EXPECT_GT(power(32), 2 * power(34));
  EXPECT_NEAR(power(33) / power(32),
              std::pow(std::sin(std::numbers::pi / 2) / (std::numbers::pi / 2), 2), 0.03);
  EXPECT_NEAR(power(34) / power(32), 0, 0.01);  // The first zero of the sinc.
}

double mean_sigma(const Reflectivity& scene, int from, int to) {
  double sum = 0;
  for (int col = from; col < to; ++col) sum += scene.sigma[128 * 256 + col];
  return sum / (to - from);
}

TEST(Building, LaysOverTowardsTheSensorAndThrowsItsShadowAway) {
  Draws draws(1, "building", 0);
  Canvas canvas(256, {-14, false});
  canvas.building({120, 100, 30, 56}, 20, draws);
  const Reflectivity scene = canvas.finish();
  const double ground = std::pow(10, -1.4);
  EXPECT_GT(mean_sigma(scene, 100, 120), 5 * ground);  // 20 m of layover before the front
  EXPECT_NEAR(mean_sigma(scene, 80, 100), ground, 1e-12);
  EXPECT_LT(mean_sigma(scene, 150, 176), ground / 5);  // 26 m of shadow behind the roof
  EXPECT_NEAR(mean_sigma(scene, 176, 200), ground, 1e-12);
  ASSERT_FALSE(scene.points.empty());
  for (const PointScatterer& point : scene.points) EXPECT_EQ(point.col, 120);
}

TEST(City, ShowsItsRoofsBehindTheirFronts) {
  // What follows a front away from the sensor is the roof, brighter than the street or shadow
  // before it; in a mirror this turns round.
  const SceneKind& city = *std::find_if(scene_kinds().begin(), scene_kinds().end(),
                                        [](const SceneKind& kind) { return kind.label == "city"; });
  Draws draws(3, "city", 0);
  const Scene scene = city.draw(256, draws);
  const std::vector<double>& sigma = scene.reflectivity.sigma;
  const auto front = [&](int at) { return sigma[at] > 0.3; };
  double behind = 0;
  double before = 0;
  int edges = 0;
  for (int at = 3; at < 256 * 256 - 3; ++at) {
    if (at % 256 < 3 || at % 256 > 252 || !front(at)) continue;
    if (!front(at + 1)) behind += sigma[at + 1] + sigma[at + 2];
    if (!front(at - 1)) before += sigma[at - 1] + sigma[at - 2];
    edges += front(at - 1) ? 0 : 1;
  }
  EXPECT_GT(edges, 300);
  EXPECT_GT(behind, 1.5 * before);
}

TEST(SyntheticImages, SaturateLikeTheRealOnes) {
  for (const SceneKind& kind : scene_kinds()) {
    for (const int size : {64, 128}) {
      double share = 0;
      constexpr int kImages = 8;
      for (std::uint64_t index = 0; index < kImages; ++index) {
        const AmplitudeImage amplitude = synthetic_image(kind, size, 11, index).amplitude;
        const AmplitudeImage y = make_stretch("mean3sigma", "image", 0, 0).forward(amplitude);
        const auto full =
            std::count_if(y.pixels.begin(), y.pixels.end(), [](float v) { return v > 0.999F; });
        share += static_cast<double>(full) / static_cast<double>(y.pixels.size()) / kImages;
      }
      EXPECT_GT(share, 0.003) << kind.label << size;
      EXPECT_LT(share, 0.03) << kind.label << size;
    }
  }
}

TEST(SyntheticImages, AreAFunctionOfKindSizeSeedAndIndex) {
  const SceneKind& kind = scene_kinds()[8];
  const SyntheticImage image = synthetic_image(kind, 64, 1, 3);
  EXPECT_EQ(image.amplitude.pixels, synthetic_image(kind, 64, 1, 3).amplitude.pixels);
  EXPECT_NE(image.amplitude.pixels, synthetic_image(kind, 64, 2, 3).amplitude.pixels);
  EXPECT_NE(image.amplitude.pixels, synthetic_image(kind, 64, 1, 4).amplitude.pixels);
}

TEST(SyntheticImages, HaveTheSamePixelsOnEveryMachine) {
  std::string stored;
  for (const SceneKind& kind : scene_kinds()) {
    for (const float a : synthetic_image(kind, 32, 1, 0).amplitude.pixels) {
      stored += std::to_string(std::lround(a / kScale)) + " ";
    }
  }
  EXPECT_EQ(sha256(stored), "04375fb9a78de17cf9ceb6d3524ab0e90fabe8a85093a3816af745ea28822f02");
}

TEST(Captions, ParseBackToTheirLabelAndNumbers) {
  std::set<std::string> labels;
  for (const SceneKind& kind : scene_kinds()) {
    labels.emplace(kind.label);
    for (std::uint64_t index = 0; index < 20; ++index) {
      Draws draws(2, "captions", index);
      const Scene scene = kind.draw(16, draws);
      EXPECT_EQ(label_of_caption(scene.caption), kind.label) << scene.caption;
      for (const auto& [object, value] : scene.parameters.items()) {
        const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
        EXPECT_NE(scene.caption.find(" " + text), std::string::npos)
            << scene.caption << " " << object;
      }
    }
  }
  EXPECT_EQ(labels.size(), 11U);
  EXPECT_EQ(label_of_caption("A SAR image of a portal"), "");
  EXPECT_EQ(label_of_caption("A photo of a port"), "");
}

TEST(SplitSizes, HoldOutATenthAndAtLeastTenOfAHundred) {
  const auto sizes = [](int n) {
    const SplitSizes s = split_sizes(n);
    return std::vector{s.train, s.val, s.test};
  };
  EXPECT_EQ(sizes(6), (std::vector{2, 2, 2}));
  EXPECT_EQ(sizes(60), (std::vector{48, 6, 6}));
  EXPECT_EQ(sizes(100), (std::vector{80, 10, 10}));
  EXPECT_EQ(sizes(1000), (std::vector{800, 100, 100}));
}

TEST(SyntheticSet, IsADataSetAndTheSameByteForByte) {
  const TempFolder folder;
  const auto write = [&](const char* name) {
    write_synthetic_set({folder.path() / name, 6, 32, 9}, [](int, int) {});
  };
  write("a");
  write("b");
  DataOptions options;
  options.path = folder.path() / "a";
  options.resolution = 32;
  options.scale_column = "scale";
  options.stretch = "mean3sigma";
  for (const char* split : {"train", "val", "test"}) {
    const Dataset a(options, split);
    std::map<std::string, int> labels;
    for (const DataItem& item : a.items()) {
      ++labels[item.label];
      EXPECT_EQ(label_of_caption(item.caption), item.label);
      EXPECT_EQ(read_file(item.file.path), read_file(folder.path() / "b" / split / item.file_name));
    }
    EXPECT_EQ(labels.size(), 11U);
    EXPECT_EQ(read_file(options.path / split / "metadata.jsonl"),
              read_file(folder.path() / "b" / split / "metadata.jsonl"));
  }
  const AmplitudeImage direct = synthetic_image(scene_kinds()[0], 32, 9, 0).amplitude;
  const AmplitudeImage stored = Dataset(options, "train").amplitude(0);
  for (std::size_t i = 0; i < direct.pixels.size(); ++i) {
    EXPECT_NEAR(stored.pixels[i], direct.pixels[i], 0.51 * kScale);
  }
  EXPECT_THROW(write("a"), Error);
  EXPECT_THROW(write_synthetic_set({folder.path() / "c", 5, 32, 9}, [](int, int) {}), Error);
  EXPECT_THROW(write_synthetic_set({folder.path() / "c", 6, 8, 9}, [](int, int) {}), Error);
}

}  // namespace
}  // namespace sarsweep::trainer::synthetic
