#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "schema/base/error.h"
#include "schema/base/philox.h"
#include "tests/trainer/core/referee.h"
#include "tests/trainer/core/temp_folder.h"
#include "trainer/core/data/image_folder.h"
#include "trainer/core/metrics/autocorrelation.h"
#include "trainer/core/metrics/divergence.h"
#include "trainer/core/metrics/histogram.h"

namespace sarsweep::trainer {
namespace {

AmplitudeImage image_of(int height, int width, std::vector<float> pixels) {
  return {height, width, std::move(pixels)};
}

AmplitudeHistogram histogram_of(const AmplitudeImage& image, int bins = 256) {
  AmplitudeHistogram histogram(bins, 0.999);
  histogram.add(image);
  return histogram;
}

// 10,000 quantiles of a Rayleigh distribution over its mean + 3 sigma, times `gain`, in double:
// float would move a pixel across the edge of a bin.
AmplitudeHistogram rayleigh(double gain, int bins = 256) {
  AmplitudeHistogram histogram(bins, 0.999);
  for (int i = 0; i < 10000; ++i) {
    const double a = std::sqrt(-std::log(1 - (i + 0.5) / 1e4)) / 2.2759810509810707;
    histogram.add(std::min(1.0, gain * a));
  }
  return histogram;
}

TEST(Histogram, LastBinIsClosedAndSaturationIsApart) {
  AmplitudeHistogram histogram(4, 0.999);
  histogram.add(image_of(1, 5, {0, 0.25F, 0.9989F, 0.9995F, 1}));
  EXPECT_EQ(histogram.counts(), (std::vector<std::uint64_t>{1, 1, 0, 1}));
  EXPECT_EQ(histogram.kept(), 3U);
  EXPECT_DOUBLE_EQ(histogram.saturation(), 0.4);
  AmplitudeHistogram closed(4, 1.0);
  closed.add(image_of(1, 1, {1}));
  EXPECT_EQ(closed.counts()[3], 1U);
  EXPECT_THROW(closed.add(image_of(1, 1, {NAN})), Error);
  EXPECT_THROW(closed.add(image_of(1, 1, {1.5F})), Error);
}

TEST(Divergence, OfTheRayleighFixtureHasItsPublishedDigits) {
  const AmplitudeHistogram real = rayleigh(1);
  const AmplitudeHistogram generated = rayleigh(0.8);
  EXPECT_DOUBLE_EQ(real.saturation(), 0.0057);
  EXPECT_DOUBLE_EQ(generated.saturation(), 0.0003);
  EXPECT_NEAR(*kl_divergence(real, generated, Smoothing::eps), 0.1699985421, 5e-11);
  EXPECT_NEAR(*kl_divergence(generated, real, Smoothing::eps), 0.08291346, 5e-9);
  EXPECT_NEAR(*js_divergence(real, generated), 0.02271526, 5e-9);
  EXPECT_NEAR(*kl_divergence(real, generated, Smoothing::half), 0.09656, 5e-6);
  const auto with_bins = [](int bins) {
    return *kl_divergence(rayleigh(1, bins), rayleigh(0.8, bins), Smoothing::eps);
  };
  EXPECT_NEAR(with_bins(64), 0.10498, 5e-6);
  EXPECT_NEAR(with_bins(100), 0.11411, 5e-6);
  EXPECT_NEAR(with_bins(128), 0.12535, 5e-6);
}

TEST(Divergence, IgnoresTheOrderOfPixels) {
  AmplitudeImage image{64, 64, std::vector<float>(4096)};
  for (int i = 0; i < 4096; ++i) image.pixels[i] = static_cast<float>(i * i % 4099) / 4100;
  AmplitudeImage reversed = image;
  std::reverse(reversed.pixels.begin(), reversed.pixels.end());
  EXPECT_EQ(*kl_divergence(histogram_of(image), histogram_of(reversed), Smoothing::eps), 0);
  EXPECT_EQ(*wasserstein1(histogram_of(image), histogram_of(reversed)), 0);
}

TEST(Divergence, IsAbsentWhereASideIsSaturatedThroughout) {
  const AmplitudeHistogram white = histogram_of(image_of(1, 2, {1, 1}));
  const AmplitudeHistogram grey = histogram_of(image_of(1, 2, {0.5F, 0.5F}));
  EXPECT_FALSE(kl_divergence(white, grey, Smoothing::eps));
  EXPECT_FALSE(js_divergence(grey, white));
  EXPECT_FALSE(wasserstein1(grey, white));
}

TEST(Wasserstein, OfAShiftIsItsWidth) {
  const AmplitudeHistogram a = histogram_of(image_of(1, 2, {0.125F, 0.25F}));
  const AmplitudeHistogram b = histogram_of(image_of(1, 2, {0.375F, 0.5F}));
  EXPECT_DOUBLE_EQ(*wasserstein1(a, b), 0.25);
}

TEST(Autocorrelation, IsNothingForFlatAndForWhiteNoise) {
  EXPECT_EQ(autocorrelation(image_of(2, 2, {0.1F, 0.1F, 0.1F, 0.1F}), 1), 0);
  AmplitudeImage noise{128, 128, std::vector<float>(128 * 128)};
  RandomStream(1, "test", 0).fill_normal(noise.pixels.data(), noise.pixels.size());
  EXPECT_NEAR(autocorrelation(noise, 1), 0, 0.03);
  EXPECT_NEAR(autocorrelation(noise, 0), 1, 1e-12);
}

TEST(Autocorrelation, OfARampAlongColumnsSeesBothAxes) {
  AmplitudeImage ramp{16, 16, std::vector<float>(256)};
  for (int i = 0; i < 256; ++i) ramp.pixels[i] = static_cast<float>(i % 16);
  // Down the columns pairs are equal: 1 there.
  double sum = 0;
  for (int i = 0; i < 15; ++i) sum += (i - 7.5) * (i - 6.5);
  const double across = sum / 15 / (255.0 / 12);
  EXPECT_NEAR(autocorrelation(ramp, 1), (1 + across) / 2, 1e-12);
}

// Every metric of the first pictures of a real split, the first half as real, the second as
// generated.
class RealPictures : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = shared_data() / GetParam() / "val";
    if (referee_python().empty() || !std::filesystem::exists(folder_)) {
      GTEST_SKIP() << "no real data or no .venv-test";
    }
    const std::vector<MetadataRow> rows = read_metadata(folder_);
    for (std::size_t i = 0; i < 40; ++i) {
      const MetadataRow& row = rows[i * rows.size() / 40];
      const std::string name = row.values["file_name"];
      images_.push_back(
          read_amplitude({folder_ / name}, row.values["scale"].get<double>(), Gray::mean));
      names_ += name + ",";
    }
  }
  std::filesystem::path folder_;
  std::vector<AmplitudeImage> images_;
  std::string names_;
};

void expect_close(double ours, const nlohmann::json& theirs, const std::string& what) {
  const double expected = theirs.get<double>();
  EXPECT_LE(std::abs(ours - expected), 1e-9 * std::abs(expected) + 1e-12)
      << what << ": " << ours << " against " << expected;
}

TEST_P(RealPictures, MeasureAsNumpyAndScipyDo) {
  AmplitudeStatistics statistics;
  for (const AmplitudeImage& image : images_) statistics.add(image);
  const Stretch stretch =
      make_stretch("mean3sigma", "dataset", statistics.mean(), statistics.sigma());
  AmplitudeHistogram real(256, 0.999);
  AmplitudeHistogram generated(256, 0.999);
  for (std::size_t i = 0; i < images_.size(); ++i) {
    (i < 20 ? real : generated).add(stretch.forward(images_[i]));
  }
  const nlohmann::json referee =
      ask_referee("metrics/metrics_referee.py", folder_.string() + "," + names_);
  expect_close(stretch.reference, referee["reference"], "reference");
  expect_close(real.saturation(), referee["saturation"], "saturation");
  expect_close(*kl_divergence(real, generated, Smoothing::eps), referee["kl_eps"], "kl eps");
  expect_close(*kl_divergence(real, generated, Smoothing::half), referee["kl_half"], "kl half");
  expect_close(*js_divergence(real, generated), referee["jsd"], "jsd");
  expect_close(*wasserstein1(real, generated), referee["wasserstein1"], "wasserstein");
  for (const int lag : {1, 4}) {
    double sum = 0;
    for (const AmplitudeImage& image : images_) sum += autocorrelation(image, lag);
    const std::string key = fmt::format("autocorrelation_{}", lag);
    expect_close(sum / static_cast<double>(images_.size()), referee[key], key);
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, RealPictures, testing::Values("mstar", "land"));

}  // namespace
}  // namespace sarsweep::trainer
