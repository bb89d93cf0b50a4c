#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tests/trainer/core/metrics/speckle.h"
#include "trainer/core/metrics/looks.h"
#include "trainer/core/metrics/spectrum.h"

namespace sarsweep::trainer {
namespace {

// The root of the mean of `looks` independent intensities.
AmplitudeImage multilooked(int looks, std::uint64_t index, int side = 256) {
  AmplitudeImage image{side, side, std::vector<float>(static_cast<std::size_t>(side) * side, 0)};
  for (int look = 0; look < looks; ++look) {
    const AmplitudeImage one = rayleigh_image(side, side, 100 * index + look);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      image.pixels[i] += one.pixels[i] * one.pixels[i] / static_cast<float>(looks);
    }
  }
  for (float& pixel : image.pixels) pixel = std::sqrt(pixel);
  return image;
}

Looks mean_looks(int looks) {
  Looks mean;
  for (std::uint64_t i = 0; i < 16; ++i) {
    const Looks found = *equivalent_looks(multilooked(looks, i));
    mean.amplitude += found.amplitude / 16;
    mean.intensity += found.intensity / 16;
  }
  return mean;
}

// 128 patches of 1024 samples: an estimate spreads by 6 % / 11, and choosing the even ones among 64
// adds no more than the slack.
TEST(Looks, OfSpeckleAreItsLooks) {
  struct Row {
    int looks;
    double amplitude;
  };
  for (const Row& row : {Row{1, 3.6598}, Row{2, 7.589}, Row{4, 15.546}}) {
    const Looks looks = mean_looks(row.looks);
    EXPECT_NEAR(looks.intensity, row.looks, 0.03 * row.looks);
    EXPECT_NEAR(looks.amplitude, row.amplitude, 0.03 * row.amplitude);
  }
}

// K-distributed intensity: E[I²]/E[I]² = 2 (1 + 1/nu), so its looks are nu / (nu + 2), where the
// texture varies from pixel to pixel.
TEST(Looks, OfTexturedSpeckleAreFewer) {
  constexpr double kShape = 2;  // the texture is the mean of 2 nu squared normals
  double mean = 0;
  for (std::uint64_t i = 0; i < 16; ++i) {
    AmplitudeImage image = rayleigh_image(256, 256, i);
    const RandomStream random(9, "test", i);
    for (std::size_t p = 0; p < image.pixels.size(); ++p) {
      double texture = 0;
      for (std::uint64_t k = 0; k < 4; ++k) texture += std::pow(random.normal(4 * p + k), 2) / 4;
      image.pixels[p] *= static_cast<float>(std::sqrt(texture));
    }
    mean += equivalent_looks(image)->intensity / 16;
  }
  EXPECT_NEAR(mean, kShape / (kShape + 2), 0.03);
}

TEST(Looks, AreOfTheEvenPartOfAPicture) {
  AmplitudeImage image = rayleigh_image(256, 256, 3);
  for (int row = 0; row < 256; ++row) {
    for (int col = 64; col < 256; ++col) {
      image.at(row, col) *= static_cast<float>(1 + (row / 8 + col / 8) % 3 * 4);  // a chequer
    }
  }
  EXPECT_NEAR(equivalent_looks(image)->intensity, 1, 0.15);
}

TEST(Looks, DoNotDependOnTheGain) {
  AmplitudeImage image = rayleigh_image(64, 96, 4);
  const Looks before = *equivalent_looks(image);
  for (float& pixel : image.pixels) pixel *= 0.25F;
  EXPECT_NEAR(equivalent_looks(image)->intensity, before.intensity, 1e-12);
  EXPECT_NEAR(equivalent_looks(image)->amplitude, before.amplitude, 1e-12);
}

TEST(Looks, OfPatchesWithoutVarianceDoNotExist) {
  AmplitudeImage image{64, 64, std::vector<float>(64 * 64, 0.5F)};
  EXPECT_FALSE(equivalent_looks(image));
  const AmplitudeImage speckle = rayleigh_image(32, 32, 1);
  for (int row = 0; row < 32; ++row) {
    for (int col = 0; col < 32; ++col) image.at(row + 32, col) = speckle.at(row, col);
  }
  EXPECT_DOUBLE_EQ(equivalent_looks(image)->intensity, equivalent_looks(speckle)->intensity);
  EXPECT_TRUE(equivalent_looks(rayleigh_image(5, 7, 2)).has_value());
}

AmplitudeImage wave(int height, int width, double rows, double cols) {
  AmplitudeImage image{height, width, {}};
  for (int row = 0; row < height; ++row) {
    for (int col = 0; col < width; ++col) {
      const double phase = 2 * std::numbers::pi * (rows * row / height + cols * col / width);
      image.pixels.push_back(static_cast<float>(2 + std::cos(phase)));
    }
  }
  return image;
}

// The ring that holds nearly all the power.
int loudest(const AmplitudeImage& image) {
  const auto spectrum = radial_spectrum(image);
  int best = 0;
  for (int i = 0; i < kSpectrumRings; ++i) {
    if (spectrum[i].value_or(0) > spectrum[best].value_or(0)) best = i;
  }
  for (int i = 0; i < kSpectrumRings; ++i) {
    if (i == best) continue;
    EXPECT_LT(spectrum[i].value_or(0), 1e-6 * *spectrum[best]) << i;
  }
  return best + 1;
}

TEST(Spectrum, OfAWaveLiesInItsRing) {
  EXPECT_EQ(loudest(wave(64, 64, 0, 5)), 5);
  EXPECT_EQ(loudest(wave(64, 64, 3, 4)), 5);
  EXPECT_EQ(loudest(wave(64, 64, -12, 9)), 15);
  EXPECT_EQ(loudest(wave(128, 64, 40, 0)), 20);  // 40 / 128 cycles per pixel
  EXPECT_EQ(loudest(wave(96, 100, 0, 25)), 16);  // a quarter
  EXPECT_EQ(loudest(wave(64, 64, 32, 0)), 32);   // Nyquist
  EXPECT_EQ(loudest(wave(33, 35, 11, 0)), 21);   // odd sides: 64 / 3 rounds to 21
}

TEST(Spectrum, OfWhiteNoiseIsOne) {
  std::array<double, kSpectrumRings> mean{};
  for (std::uint64_t i = 0; i < 16; ++i) {
    const auto spectrum = radial_spectrum(rayleigh_image(128, 128, i));
    for (int k = 0; k < kSpectrumRings; ++k) mean[k] += *spectrum[k] / 16;
  }
  // Ring k of 16 pictures holds 2 pi k · 4 · 16 / 2 independent frequencies.
  for (int k = 0; k < kSpectrumRings; ++k) {
    EXPECT_NEAR(mean[k], 1, 5 / std::sqrt(200.0 * (k + 1))) << k;
  }
}

TEST(Spectrum, DoesNotDependOnTheGainNorOnAQuarterTurn) {
  const AmplitudeImage image = box_mean(rayleigh_image(96, 96, 6), 1, 1);
  const auto before = radial_spectrum(image);
  AmplitudeImage darker = image;
  for (float& pixel : darker.pixels) pixel *= 0.25F;
  const auto dark = radial_spectrum(darker);
  const auto turn = radial_spectrum(turned(image));
  for (int k = 0; k < kSpectrumRings; ++k) {
    EXPECT_NEAR(*dark[k], *before[k], 1e-12 * *before[0]) << k;
    EXPECT_NEAR(*turn[k], *before[k], 1e-12 * *before[0]) << k;
  }
  EXPECT_GT(*before[0], 4 * *before[kSpectrumRings - 1]);
}

TEST(Spectrum, HasNoValueWhereThereIsNoFrequency) {
  const auto flat = radial_spectrum({8, 8, std::vector<float>(64, 1)});
  for (const auto& power : flat) EXPECT_FALSE(power);
  const auto small = radial_spectrum(rayleigh_image(16, 16, 1));  // frequencies are 4 rings apart
  EXPECT_FALSE(small[0]);
  EXPECT_TRUE(small[3].has_value());
  EXPECT_TRUE(radial_spectrum(rayleigh_image(2, 3, 1))[31].has_value());
}

}  // namespace
}  // namespace sarsweep::trainer
