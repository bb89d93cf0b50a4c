#include "trainer/core/images/amplitude.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "tests/trainer/core/referee.h"
#include "tests/trainer/core/temp_folder.h"
#include "trainer/core/images/resample.h"

namespace sarsweep::trainer {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

template <typename F>
std::string message_of(F&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

AmplitudeImage image_of(int height, int width, const std::vector<float>& pixels) {
  return {height, width, pixels};
}

class Pictures : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (referee_python().empty()) return;
    made_ = std::make_unique<TempFolder>();
    expected_ = ask_referee("make_pictures.py", made_->path().string());
  }
  static void TearDownTestSuite() { made_.reset(); }
  void SetUp() override {
    if (!made_) GTEST_SKIP() << "no .venv-test";
  }
  static PictureFile file(const std::string& name) { return {made_->path() / name}; }
  static std::string refusal(const std::string& name) {
    return message_of([&] { read_amplitude(file(name), std::nullopt, Gray::mean); });
  }
  static void expect_pixels(const AmplitudeImage& image, const nlohmann::json& pixels) {
    ASSERT_EQ(image.pixels.size(), pixels.size());
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      EXPECT_FLOAT_EQ(image.pixels[i], pixels[i].get<float>()) << i;
    }
  }
  static std::unique_ptr<TempFolder> made_;  // by Pillow and tifffile
  static nlohmann::json expected_;
};

std::unique_ptr<TempFolder> Pictures::made_;
nlohmann::json Pictures::expected_;

TEST_F(Pictures, OfEachKindReadAsPillowWroteThem) {
  for (const char* name :
       {"grey8.png",     "grey16.png",  "rgb.png",          "palette.png",
        "alpha.png",     "one_bit.png", "two_bit.png",      "interlaced.png",
        "rgb16.png",     "float.tif",   "grey_alpha16.png", "transparent_palette.png",
        "grey16.tif",    "lzw.tif",     "deflate.tif",      "tiled.tif",
        "strips.tif",    "big.tif",     "big_endian.tif",   "rgb16.tif",
        "grey_alpha.png"}) {
    SCOPED_TRACE(name);
    const AmplitudeImage image = read_amplitude(file(name), std::nullopt, Gray::mean);
    EXPECT_EQ(image.height, expected_[name]["shape"][0]);
    EXPECT_EQ(image.width, expected_[name]["shape"][1]);
    expect_pixels(image, expected_[name]["mean"]);
  }
}

TEST_F(Pictures, ReduceColourAsAsked) {
  expect_pixels(read_amplitude(file("rgb.png"), std::nullopt, Gray::luma), expected_["luma"]);
  expect_pixels(read_amplitude(file("rgb.png"), std::nullopt, Gray::first), expected_["first"]);
}

TEST_F(Pictures, ScaleMultipliesTheStoredSamples) {
  const AmplitudeImage plain = read_amplitude(file("grey16.png"), std::nullopt, Gray::mean);
  const AmplitudeImage scaled = read_amplitude(file("grey16.png"), 0.5, Gray::mean);
  for (std::size_t i = 0; i < plain.pixels.size(); ++i) {
    EXPECT_FLOAT_EQ(scaled.pixels[i], plain.pixels[i] * 65535 * 0.5F);
  }
}

TEST_F(Pictures, HeadersTellSizeAndDepth) {
  const auto info = [&](const char* name) {
    return read_image_info(read_file(file(name).path), name);
  };
  const ImageInfo png = info("grey16.png");
  EXPECT_EQ(png.height, 6);
  EXPECT_EQ(png.width, 4);
  EXPECT_EQ(png.bits, 16);
  EXPECT_EQ(info("palette.png").bits, 8);
  EXPECT_TRUE(info("float.tif").floating);
}

TEST_F(Pictures, ThatCannotBeAmplitudeAreRefusedWithACure) {
  EXPECT_THAT(refusal("cmyk.tif"), HasSubstr("cmyk.tif: has TIFF colour space 5"));
  EXPECT_THAT(refusal("one_pixel.png"), HasSubstr("1 x 1 pixels is no picture"));
  EXPECT_THAT(refusal("decibels.tif"), HasSubstr("10^(dB/20)"));
  EXPECT_THAT(refusal("nan.tif"), HasSubstr("row 2, column 1: replace pixels without data by 0"));
  EXPECT_THAT(refusal("picture.jpg"), HasSubstr("neither PNG nor TIFF"));
  EXPECT_THAT(refusal("absent.png"), HasSubstr("absent.png: no such picture"));
  EXPECT_THAT(refusal("empty.png"), HasSubstr("empty.png: is empty"));
  EXPECT_THAT(refusal("infinite.tif"), HasSubstr("infinite.tif: sample inf at row 2, column 1"));
  EXPECT_THAT(refusal("palette.tif"), HasSubstr("palette.tif: has TIFF colour space 3"));
  EXPECT_THAT(refusal("white_is_zero.tif"), HasSubstr("has TIFF colour space 0"));
  EXPECT_THAT(refusal("grey_alpha.tif"), HasSubstr("grey_alpha.tif: has 2 samples a pixel"));
  EXPECT_THAT(refusal("complex.tif"), HasSubstr("complex.tif: holds complex samples"));
  EXPECT_THAT(refusal("signed.tif"), HasSubstr("holds 16-bit samples of TIFF format 2"));
  EXPECT_THAT(refusal("double.tif"), HasSubstr("holds 64-bit samples of TIFF format 3"));
  EXPECT_THAT(refusal("planes.tif"), HasSubstr("planes.tif: stores its channels in separate"));
  EXPECT_THAT(refusal("pages.tif"), HasSubstr("pages.tif: holds several pictures"));
}

TEST_F(Pictures, WhoseHeaderPromisesMoreThanTheFileHoldsAreRefusedBeforeAnythingIsAllocated) {
  EXPECT_THAT(refusal("bomb.png"), HasSubstr("bomb.png: its header promises"));
  EXPECT_THAT(refusal("bomb.tif"), HasSubstr("bomb.tif: its header promises 512000000 bytes"));
  EXPECT_THAT(refusal("huge.png"), HasSubstr("1000000 x 1000000 pixels of 1; cut it into tiles"));
}

TEST_F(Pictures, ResizedAsPillowDoes) {
  const AmplitudeImage whole = read_amplitude(file("whole.tif"), std::nullopt, Gray::mean);
  for (const auto& [height, width] :
       std::vector<std::pair<int, int>>{{16, 20}, {40, 20}, {80, 104}, {23, 52}, {7, 91}}) {
    const std::string name = "lanczos " + std::to_string(height) + " " + std::to_string(width);
    SCOPED_TRACE(name);
    const AmplitudeImage resized = lanczos(whole, height, width);
    ASSERT_EQ(resized.pixels.size(), expected_[name].size());
    for (std::size_t i = 0; i < resized.pixels.size(); ++i) {
      ASSERT_NEAR(resized.pixels[i], expected_[name][i].get<double>(), 1e-5) << i;
    }
  }
  expect_pixels(block_mean(whole, 3), expected_["block_mean 3"]);
}

TEST_F(Pictures, CutShortOrDamagedAreRefusedByName) {
  for (const char* name : {"grey16.png", "float.tif"}) {
    const std::string whole = read_file(file(name).path);
    for (const std::size_t kept : {std::size_t{9}, whole.size() / 2, whole.size() - 20}) {
      made_->write("short", whole.substr(0, kept));
      EXPECT_THAT(refusal("short"), AnyOf(HasSubstr("short: not a readable"),
                                          HasSubstr("short: its header promises")))
          << name << " " << kept;
    }
  }
  std::string damaged = read_file(file("grey16.png").path);
  damaged[damaged.size() / 2] ^= 0x55;
  made_->write("damaged.png", damaged);
  EXPECT_THAT(refusal("damaged.png"), HasSubstr("not a readable PNG"));
}

TEST(WritePng, RoundsHalfUpAndClamps) {
  const TempFolder folder;
  const auto file = folder.path() / "a.png";
  write_png(file, image_of(2, 2, {0.5F, 1.5F, -1.0F, 2.49F / 65535}), 16);
  const AmplitudeImage stored = read_amplitude({file}, 1.0, Gray::mean);
  EXPECT_EQ(stored.pixels, (std::vector<float>{32768, 65535, 0, 2}));
  write_png(file, image_of(2, 2, {0.5F, 1.0F, std::numeric_limits<float>::quiet_NaN(), 0.1F}), 8);
  EXPECT_EQ(read_amplitude({file}, 1.0, Gray::mean).pixels, (std::vector<float>{128, 255, 0, 26}));
  EXPECT_THAT(message_of([&] {
                write_png(file, image_of(2, 2, {0, 0, 0, 0}), 12);
              }),
              HasSubstr("not 12"));
}

TEST(WritePng, EqualInputGivesEqualBytes) {
  const TempFolder folder;
  AmplitudeImage image{32, 32, std::vector<float>(1024)};
  for (int i = 0; i < 1024; ++i) image.pixels[i] = static_cast<float>(i) / 1024;
  write_png(folder.path() / "a.png", image, 16);
  write_png(folder.path() / "b.png", image, 16);
  EXPECT_EQ(read_file(folder.path() / "a.png"), read_file(folder.path() / "b.png"));
}

TEST(AmplitudeStatistics, OfPartsAreThoseOfTheWhole) {
  const AmplitudeImage a = image_of(1, 3, {1000, 1001, 1002});
  const AmplitudeImage b = image_of(1, 1, {1005});
  AmplitudeStatistics statistics;
  statistics.add(a);
  statistics.add(b);
  EXPECT_DOUBLE_EQ(statistics.mean(), 1002);
  EXPECT_DOUBLE_EQ(statistics.sigma(), std::sqrt(14.0 / 4));
}

TEST(Stretch, MeanThreeSigmaMapsTheReferenceToOne) {
  const Stretch stretch = make_stretch("mean3sigma", "dataset", 2, 1);
  EXPECT_DOUBLE_EQ(stretch.reference, 5);
  const AmplitudeImage y = stretch.forward(image_of(1, 3, {2.5F, 5, 50}));
  EXPECT_EQ(y.pixels, (std::vector<float>{0.5F, 1, 1}));
}

TEST(Stretch, OfEachKindIsUndoneByItsInverse) {
  const AmplitudeImage a = image_of(1, 5, {0.5F, 1, 1.25F, 3, 4});
  for (const nlohmann::json& value :
       {nlohmann::json("mean3sigma"), nlohmann::json("sqrt"), nlohmann::json("log"),
        nlohmann::json{{"lo", 0.25}, {"hi", 4}}}) {
    const Stretch stretch = make_stretch(value, "dataset", 1, 1);
    const Stretch stored = Stretch::from_json(stretch.to_json());
    const AmplitudeImage back = stored.inverse(stretch.forward(a));
    for (int i = 0; i < 5; ++i) EXPECT_NEAR(back.pixels[i], a.pixels[i], 2e-6) << value << i;
  }
}

TEST(Stretch, MeasuredOnEachImageCannotBeUndone) {
  const Stretch stretch = make_stretch("mean3sigma", "image", 0, 0);
  const AmplitudeImage y = stretch.forward(image_of(1, 2, {1, 3}));  // mean 2, sigma 1
  EXPECT_FLOAT_EQ(y.pixels[0], 0.2F);
  EXPECT_FALSE(stretch.invertible());
  EXPECT_THAT(message_of([&] { stretch.inverse(y); }), HasSubstr("data.stretch_scope dataset"));
}

TEST(Stretch, AsksForWhatItCannotDoAreRefused) {
  const auto refusal = [](const nlohmann::json& value, const std::string& scope) {
    return message_of([&] { make_stretch(value, scope, 1, 1); });
  };
  EXPECT_THAT(refusal("gamma", "dataset"), HasSubstr("'gamma' is not one of none, mean3sigma"));
  EXPECT_THAT(refusal("sqrt", "scene"), HasSubstr("scene is not supported"));
  EXPECT_THAT(refusal({{"lo", 2}, {"hi", 1}}, "dataset"), HasSubstr("0 <= lo < hi"));
  EXPECT_THAT(refusal({{"lo", 2}}, "dataset"), HasSubstr("needs a finite number 'hi'"));
  EXPECT_THAT(refusal(7, "dataset"), HasSubstr("got 7"));
  EXPECT_THAT(message_of([] { make_stretch("sqrt", "dataset", 0, 0); }),
              HasSubstr("all pictures black"));
}

}  // namespace
}  // namespace sarsweep::trainer
