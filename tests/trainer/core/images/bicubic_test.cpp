#include "trainer/core/images/bicubic.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/trainer/core/referee.h"

namespace sarsweep::trainer {
namespace {

EightBitImage made(const nlohmann::json& size, const nlohmann::json& codes) {
  return {size[0].get<int>(), size[1].get<int>(), codes.get<std::vector<std::uint8_t>>()};
}

TEST(Bicubic, EqualsPillowBitForBitOverRandomSizes) {
  if (referee_python().empty()) GTEST_SKIP() << "needs Pillow of .venv-test";
  const std::string seed = std::to_string(std::random_device()());
  const nlohmann::json cases = ask_referee("bicubic_referee.py", seed);
  ASSERT_EQ(cases.size(), 200u);
  for (const nlohmann::json& one : cases) {
    const EightBitImage from = made(one["from"], one["codes"]);
    const nlohmann::json& to = one["to"];
    const EightBitImage result = to.is_array() ? bicubic(from, to[0].get<int>(), to[1].get<int>())
                                               : clip_square(from, to.get<int>());
    EXPECT_EQ(result.codes, one["expected"].get<std::vector<std::uint8_t>>())
        << "seed " << seed << ": " << one["from"] << " to " << to;
  }
}

// Pillow 13.0.0.
TEST(Bicubic, HalvesAndDoublesAsPillowDid) {
  const EightBitImage step{2, 4, {0, 0, 255, 255, 0, 0, 255, 255}};
  EXPECT_EQ(bicubic(step, 2, 2).codes, (std::vector<std::uint8_t>{21, 234, 21, 234}));
  EXPECT_EQ(bicubic({1, 2, {0, 255}}, 1, 4).codes, (std::vector<std::uint8_t>{0, 53, 202, 255}));
}

TEST(Bicubic, LeavesAConstantPictureConstant) {
  for (const std::uint8_t code : {0, 1, 127, 254, 255}) {
    const EightBitImage flat{7, 11, std::vector<std::uint8_t>(77, code)};
    for (const auto& [height, width] : {std::pair(3, 2), {40, 5}, {7, 11}, {64, 64}}) {
      for (const std::uint8_t result : bicubic(flat, height, width).codes) {
        EXPECT_EQ(result, code) << height << " x " << width;
      }
    }
  }
}

TEST(Bicubic, ASquareIsTheMiddleOfALongPicture) {
  const EightBitImage wide{2, 5, {0, 1, 2, 3, 4, 10, 11, 12, 13, 14}};
  EXPECT_EQ(clip_square(wide, 2).codes, (std::vector<std::uint8_t>{1, 2, 11, 12}));
  const EightBitImage tall{5, 2, {0, 1, 10, 11, 20, 21, 30, 31, 40, 41}};
  EXPECT_EQ(clip_square(tall, 2).codes, (std::vector<std::uint8_t>{10, 11, 20, 21}));
}

TEST(Bicubic, EightBitsRoundHalfUpAndClamp) {
  const AmplitudeImage image{1, 6, {-0.5F, 0.0F, 0.51F / 255, 0.49F / 255, 1.0F, 7.0F}};
  EXPECT_EQ(eight_bit(image).codes, (std::vector<std::uint8_t>{0, 0, 1, 0, 255, 255}));
}

}  // namespace
}  // namespace sarsweep::trainer
