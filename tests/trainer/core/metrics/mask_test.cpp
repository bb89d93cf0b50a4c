#include "trainer/core/metrics/mask.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/base/error.h"
#include "tests/trainer/core/metrics/speckle.h"
#include "tests/trainer/core/temp_folder.h"
#include "trainer/core/metrics/coco_rle.h"
#include "trainer/core/metrics/mask_files.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using Lengths = std::vector<std::int64_t>;

// The text form by its definition: groups of five bits, least first.
std::string packed(const Lengths& counts) {
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    std::int64_t rest = i > 2 ? counts[i] - counts[i - 2] : counts[i];
    for (bool more = true; more;) {
      std::int64_t group = rest & 31;
      rest >>= 5;
      more = (group & 16) != 0 ? rest != -1 : rest != 0;
      text.push_back(static_cast<char>(48 + group + (more ? 32 : 0)));
    }
  }
  return text;
}

// By hand: 6 is '0' + 6; 40 is 8 with more to follow, then 1; the fourth number is the second plus
// what stands there, -1 is 31 ('0' + 31 = 'O').
TEST(CocoRle, TextIsReadAsTheFormatSays) {
  EXPECT_EQ(parse_rle_text("6"), Lengths{6});
  EXPECT_EQ(parse_rle_text("X1"), Lengths{40});
  EXPECT_EQ(parse_rle_text("1234"), (Lengths{1, 2, 3, 6}));
  EXPECT_EQ(parse_rle_text("123O"), (Lengths{1, 2, 3, 1}));
  EXPECT_EQ(parse_rle_text("@"), Lengths{-16});  // a lone sign bit
  EXPECT_EQ(parse_rle_text("`0"), Lengths{16});  // so 16 takes two groups
  EXPECT_EQ(parse_rle_text(""), Lengths{});
  for (const char* bad : {"X", "6 ", "1\x7f", "oooooooo0", "/"}) {
    EXPECT_THROW(parse_rle_text(bad), Error) << bad;
  }
}

TEST(CocoRle, TextOfAnyLengthsComesBack) {
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    const RandomStream random(11, "test", trial);
    Lengths counts;
    const std::uint64_t n = random.below(40, 0);
    for (std::uint64_t i = 0; i < n; ++i) {
      counts.push_back(
          static_cast<std::int64_t>(random.below(1ULL << random.below(24, 2 * i + 1), 2 * i + 2)));
    }
    EXPECT_EQ(parse_rle_text(packed(counts)), counts) << trial;
  }
}

TEST(CocoRle, RunsGoDownTheColumns) {
  // 3 x 4, the second column and the top of the third.
  const Mask mask = decode_rle({{"size", {3, 4}}, {"counts", {3, 4, 5}}}, "test");
  EXPECT_EQ(mask.inside, (std::vector<std::uint8_t>{0, 1, 1, 0,  //
                                                    0, 1, 0, 0,  //
                                                    0, 1, 0, 0}));
  EXPECT_EQ(mask.area(), 4U);
  EXPECT_EQ(decode_rle({{"size", {3, 4}}, {"counts", packed({3, 4, 5})}}, "test").inside,
            mask.inside);
  EXPECT_EQ(decode_rle({{"size", {2, 2}}, {"counts", {0, 4}}}, "test").area(), 4U);
}

// A disc over a lattice, as pycocotools 2 writes it.
TEST(CocoRle, TextOfTheReferenceCodecIsItsMask) {
  const Mask mask = decode_rle(
      {{"size", {13, 17}}, {"counts", "01:0J0;0K5JKM61J0812O0000000OF093M3N6LG060J04"}}, "test");
  for (int y = 0; y < 13; ++y) {
    for (int x = 0; x < 17; ++x) {
      const bool disc = (x - 8) * (x - 8) + (y - 6) * (y - 6) < 30;
      const bool lattice = (7 * x + 5 * y) % 11 == 0;
      EXPECT_EQ(mask.inside[y * 17 + x], disc || lattice ? 1 : 0) << y << " " << x;
    }
  }
}

TEST(CocoRle, RefusesWhatIsNoMask) {
  for (const json& bad :
       std::initializer_list<json>{{{"size", {3, 4}}, {"counts", {3, 4}}},
                                   {{"size", {3, 4}}, {"counts", {3, 40}}},
                                   {{"size", {3, 4}}, {"counts", {-3, 15}}},
                                   {{"size", {3, 4}}, {"counts", {1.5, 10.5}}},
                                   {{"size", {3, 4}}, {"counts", {"a"}}},
                                   {{"size", {0, 4}}, {"counts", json::array()}},
                                   {{"size", {3}}, {"counts", {3}}},
                                   {{"size", {1 << 20, 1 << 20}}, {"counts", {0}}},
                                   {{"size", {3, 4}}, {"counts", 12}},
                                   {{"counts", {12}}},
                                   json::array({1, 2, 3, 4})}) {
    try {
      decode_rle(bad, "file.json");
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("file.json"));
      EXPECT_EQ(error.field(), "eval.masks");
    }
  }
}

class Masks : public testing::Test {
 protected:
  // A 4 x 4 picture with `pixels` of its first row set.
  void write_picture(const std::string& name, int pixels) {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    AmplitudeImage image{4, 4, std::vector<float>(16, 0)};
    for (int i = 0; i < pixels; ++i) image.pixels[i] = 1;
    write_png(folder_.path() / name, image, 8);
  }
  std::uint64_t area(const std::string& place, const std::string& name,
                     PairSide side = PairSide::real) {
    const auto mask = MaskFiles(folder_.path() / place).largest(name, side, picture_);
    return mask ? mask->area() : 0;
  }
  static json run(int inside) { return {{"size", {4, 4}}, {"counts", {0, inside, 16 - inside}}}; }

  TempFolder folder_;
  AmplitudeImage picture_{4, 4, std::vector<float>(16, 1)};
};

TEST_F(Masks, OfAFolderAreFoundByStem) {
  write_picture("masks/a.png", 3);
  write_picture("masks/b/0.png", 2);
  write_picture("masks/b/1.png", 5);
  write_picture("masks/deep/c@0,4.png", 4);
  folder_.write("masks/d.json",
                json::array({{{"segmentation", run(2)}}, {{"segmentation", run(7)}}}).dump());
  folder_.write("masks/e.json", json({{"annotations", {{{"segmentation", run(6)}}}}}).dump());
  EXPECT_EQ(area("masks", "a.tif"), 3U);
  EXPECT_EQ(area("masks", "b.png"), 5U);
  EXPECT_EQ(area("masks", "deep/c.png@0,4"), 4U);
  EXPECT_EQ(area("masks", "d.png"), 7U);
  EXPECT_EQ(area("masks", "e.png"), 6U);
  EXPECT_EQ(area("masks", "f.png"), 0U);
  EXPECT_EQ(area("masks", "a.png", PairSide::generated), 3U);
}

TEST_F(Masks, CanBeOfEachSide) {
  write_picture("masks/real/a.png", 3);
  write_picture("masks/generated/a.png", 8);
  EXPECT_EQ(area("masks", "a.png"), 3U);
  EXPECT_EQ(area("masks", "a.png", PairSide::generated), 8U);
}

TEST_F(Masks, OfACocoFileAreFoundByItsImages) {
  folder_.write("m.json", json({{"images", {{{"id", 7}, {"file_name", "a.png"}}}},
                                {"annotations",
                                 {{{"image_id", 7}, {"segmentation", run(2)}},
                                  {{"image_id", 7}, {"segmentation", run(9)}},
                                  {{"image_id", 7}, {"segmentation", run(4)}}}}})
                              .dump());
  EXPECT_EQ(area("m.json", "a.tif"), 9U);
  EXPECT_EQ(area("m.json", "b.tif"), 0U);
  folder_.write("m.json",
                R"({"images": [], "annotations": [{"image_id": 1, "segmentation": {}}]})");
  EXPECT_THROW(area("m.json", "a"), Error);
  folder_.write("m.json", "[1]");
  EXPECT_THROW(area("m.json", "a"), Error);
  EXPECT_THROW(area("nothing", "a"), Error);
}

TEST_F(Masks, OfAnotherSizeAreRefusedByName) {
  write_picture("masks/a.png", 3);
  try {
    MaskFiles(folder_.path() / "masks").largest("a.png", PairSide::real, {8, 8, {}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("a.png is 4 x 4, the measured picture 8 x 8"));
  }
}

TEST_F(Masks, AreDigestedByNameAndContent) {
  write_picture("masks/a.png", 3);
  const std::string before = MaskFiles(folder_.path() / "masks").digest();
  EXPECT_EQ(MaskFiles(folder_.path() / "masks").digest(), before);
  write_picture("masks/a.png", 4);
  const std::string other = MaskFiles(folder_.path() / "masks").digest();
  EXPECT_NE(other, before);
  write_picture("masks/b.png", 4);
  EXPECT_NE(MaskFiles(folder_.path() / "masks").digest(), other);
}

// How much of a planted region the mask holds, and of the rest.
std::pair<double, double> shares(const Mask& mask, int left, int right) {
  double hit = 0;
  double missed = 0;
  for (int row = 0; row < mask.height; ++row) {
    for (int col = 0; col < mask.width; ++col) {
      const bool planted = left <= col && col < right;
      (planted ? hit : missed) += mask.inside[row * mask.width + col] != 0 ? 1 : 0;
    }
  }
  const double planted_area = static_cast<double>(right - left) * mask.height;
  return {hit / planted_area,
          missed / (static_cast<double>(mask.width) * mask.height - planted_area)};
}

TEST(BuiltinMask, FindsThePlantedRegion) {
  for (std::uint64_t trial = 0; trial < 10; ++trial) {
    AmplitudeImage image = rayleigh_image(256, 256, trial, 0.1);
    for (int row = 0; row < 256; ++row) {
      for (int col = 0; col < 64; ++col) image.at(row, col) *= 0.1F;
      for (int col = 224; col < 256; ++col) image.at(row, col) *= 3;
    }
    for (float& pixel : image.pixels) pixel = std::min(pixel, 1.0F);
    const auto [inside, outside] = shares(builtin_mask(image), 64, 224);
    EXPECT_GT(inside, 0.7) << trial;  // blocks at the edges see both
    EXPECT_LT(outside, 0.05) << trial;
  }
}

TEST(BuiltinMask, OfOneKindIsThePicture) {
  EXPECT_EQ(builtin_mask(rayleigh_image(70, 100, 2, 0.2)).area(), 7000U);
  EXPECT_EQ(builtin_mask({16, 32, std::vector<float>(512, 0)}).area(), 512U);
}

}  // namespace
}  // namespace sarsweep::trainer
