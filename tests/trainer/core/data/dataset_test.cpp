#include "trainer/core/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "tests/trainer/core/referee.h"
#include "tests/trainer/core/temp_folder.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// A set of 8 x 8 pictures in a folder of its own; each test spoils one thing.
class ImageFolder : public testing::Test {
 protected:
  void SetUp() override {
    picture("train/a.png", 8, 8, 8, 0.2F);
    picture("train/b.png", 8, 8, 8, 0.4F);
    picture("test/c.png", 8, 8, 8, 0.6F);
    folder_.write(
        "train/metadata.jsonl",
        R"({"file_name": "a.png", "text": "A view of a ship, A view of", "label": "ship", "scale": 2, "scene": 1})"
        "\n\n"
        R"({"file_name": "b.png", "text": "A field", "label": "field", "scale": 3, "scene": 2})"
        "\n");
    folder_.write(
        "test/metadata.jsonl",
        R"({"file_name": "c.png", "text": "A ship", "label": "ship", "scale": 1, "scene": 3})"
        "\n");
    options_.path = folder_.path();
    options_.resolution = 8;
  }
  void picture(const std::string& name, int height, int width, int bits, float value) {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    const auto pixels = static_cast<std::size_t>(height) * width;
    write_png(folder_.path() / name, {height, width, std::vector<float>(pixels, value)}, bits);
  }
  std::string refusal(const std::string& split = "train") {
    try {
      const Dataset data(options_, split);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid);
      return error.what();
    }
    return "no error";
  }
  std::string refusal_of(const std::string& metadata) {
    folder_.write("train/metadata.jsonl", metadata);
    return refusal();
  }
  TempFolder folder_;
  DataOptions options_;
};

TEST_F(ImageFolder, ReadsItemsInTheOrderOfTheMetadata) {
  options_.scale_column = "scale";
  options_.prompt_replace = {{"A view of", "A <SAR> image of"}};
  const Dataset data(options_, "train");
  ASSERT_EQ(data.items().size(), 2U);
  const DataItem& first = data.items()[0];
  EXPECT_EQ(first.file_name, "a.png");
  EXPECT_EQ(first.caption, "A view of a ship, A view of");
  EXPECT_EQ(first.prompt, "A <SAR> image of a ship, A view of");
  EXPECT_EQ(first.label, "ship");
  EXPECT_EQ(first.scale, 2.0);
  EXPECT_FLOAT_EQ(data.amplitude(0).pixels[0], 51 * 2.0F);
}

TEST_F(ImageFolder, FindsValidationUnderBothNames) {
  std::filesystem::rename(folder_.path() / "test", folder_.path() / "validation");
  EXPECT_EQ(Dataset(options_, "val").items()[0].file_name, "c.png");
  EXPECT_THAT(refusal("test"), HasSubstr("has no split 'test' (there is: train, validation)"));
}

TEST_F(ImageFolder, MeasuresTheTrainingSplitWhateverTheSplit) {
  options_.stretch = "mean3sigma";
  const double a = 51 / 255.0;
  const double b = 102 / 255.0;
  const Dataset data(options_, "test");
  EXPECT_NEAR(data.stretch().reference, (a + b) / 2 + 3 * (b - a) / 2, 1e-7);
  EXPECT_FLOAT_EQ(data.stretched(0).pixels[0], 1.0F);
}

TEST_F(ImageFolder, CutsTheCentreOrWhereTheDrawsSay) {
  AmplitudeImage ramp{8, 8, std::vector<float>(64)};
  for (int i = 0; i < 64; ++i) ramp.pixels[i] = static_cast<float>(i) / 255;
  write_png(folder_.path() / "train/a.png", ramp, 8);
  options_.resolution = 4;
  const Dataset data(options_, "train");
  EXPECT_FLOAT_EQ(data.amplitude(0).at(0, 0), ramp.at(2, 2));
  EXPECT_EQ(data.drawn_view(0, SampleDraws(1, 2)), (View{2, 2, {}}));
  options_.crop = "random";
  options_.flip = "azimuth";
  options_.range_axis = "columns";
  const Dataset random(options_, "train");
  EXPECT_EQ(random.amplitude(0).pixels, data.amplitude(0).pixels);  // evaluations see the centre
  std::set<std::pair<int, bool>> seen;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const View view = random.drawn_view(0, SampleDraws(1, i));
    seen.emplace(view.row * 5 + view.col, view.mirror.rows);
    EXPECT_FALSE(view.mirror.columns);
    const int first = view.mirror.rows ? view.row + 3 : view.row;
    EXPECT_FLOAT_EQ(random.stretched(random.picture(0), view).at(0, 0), ramp.at(first, view.col));
  }
  EXPECT_EQ(seen.size(), 50U);
}

TEST_F(ImageFolder, RefusesPicturesSmallerThanTheResolution) {
  options_.resolution = 16;
  EXPECT_THAT(refusal(), HasSubstr("a.png: 8 x 8 pixels, smaller than data.resolution 16"));
}

TEST_F(ImageFolder, RefusesSixteenBitWithoutAStretch) {
  picture("train/b.png", 8, 8, 16, 0.4F);
  EXPECT_THAT(refusal(), HasSubstr("b.png: 16-bit data need data.stretch"));
  options_.stretch = "sqrt";
  EXPECT_EQ(refusal(), "no error");
}

TEST_F(ImageFolder, NamesFileAndLineOfBadMetadata) {
  const std::string good = R"({"file_name": "a.png", "text": "A ship", "label": "ship"})"
                           "\n";
  const auto second = [&](const std::string& line) { return refusal_of(good + line + "\n"); };
  EXPECT_THAT(second("{"), HasSubstr("metadata.jsonl:2"));
  EXPECT_THAT(second("[1]"), HasSubstr("metadata.jsonl:2: is not a JSON object"));
  EXPECT_THAT(second(R"({"text": "x"})"), HasSubstr(R"(metadata.jsonl:2: has no "file_name")"));
  EXPECT_THAT(second(R"({"file_name": "b.png", "label": "x"})"),
              HasSubstr("has no caption column 'text' (columns: file_name, label)"));
  EXPECT_THAT(second(R"({"file_name": "b.png", "text": "x"})"), HasSubstr("has no label column"));
  EXPECT_THAT(second(R"({"file_name": "a.png", "text": "x"})"), HasSubstr("'a.png' comes twice"));
  EXPECT_THAT(second(R"({"file_name": "z.png", "text": "x"})"), HasSubstr("no such picture"));
  EXPECT_THAT(second(R"({"file_name": "../test/c.png", "text": "x"})"),
              HasSubstr("leaves its data"));
  EXPECT_THAT(second(R"({"file_name": "/etc/hostname", "text": "x"})"),
              HasSubstr("leaves its data"));
  options_.scale_column = "scale";
  EXPECT_THAT(refusal_of(good), HasSubstr("metadata.jsonl:1: has no number in scale column"));
  EXPECT_THAT(refusal_of(R"({"file_name": "a.png", "text": "A ship", "scale": -1})"),
              HasSubstr("scale -1 must be above 0"));
}

TEST_F(ImageFolder, RefusesALinkOutOfTheFolder) {
  std::filesystem::create_symlink("../test/c.png", folder_.path() / "train/link.png");
  EXPECT_THAT(refusal_of(R"({"file_name": "link.png", "text": "x"})"),
              HasSubstr("is a link out of its data folder"));
}

TEST_F(ImageFolder, RefusesAGroupInTwoSplits) {
  options_.group_column = "scene";
  EXPECT_EQ(refusal(), "no error");
  folder_.write("test/metadata.jsonl",
                R"({"file_name": "c.png", "text": "x", "label": "y", "scene": 2})");
  EXPECT_THAT(refusal(), HasSubstr("scene '2' is in the splits train and test"));
}

TEST_F(ImageFolder, CallsTheOnlyLabelAllWhereThereIsNone) {
  folder_.write("train/metadata.jsonl", R"({"file_name": "a.png", "text": "x"})");
  EXPECT_EQ(Dataset(options_, "train").items()[0].label, "all");
}

TEST_F(ImageFolder, PixelsDigestFollowsPixelsAlone) {
  const std::string before = Dataset(options_, "train").pixels_digest();
  folder_.write("train/metadata.jsonl", R"({"file_name": "a.png", "text": "new"})"
                                        "\n"
                                        R"({"file_name": "b.png", "text": "new"})");
  EXPECT_EQ(Dataset(options_, "train").pixels_digest(), before);
  picture("train/a.png", 8, 8, 8, 0.3F);
  EXPECT_NE(Dataset(options_, "train").pixels_digest(), before);
}

TEST_F(ImageFolder, DigestFollowsPixelsCaptionsAndLabels) {
  const std::string before = Dataset(options_, "train").digest();
  EXPECT_EQ(before, Dataset(options_, "train").digest());
  picture("train/a.png", 8, 8, 8, 0.3F);
  const std::string pixels = Dataset(options_, "train").digest();
  EXPECT_NE(before, pixels);
  folder_.write("train/metadata.jsonl", R"({"file_name": "a.png", "text": "new"})");
  EXPECT_NE(pixels, Dataset(options_, "train").digest());
}

TEST_F(ImageFolder, OptionsComeFromTheConfigAndIllegalOnesAreRefused) {
  const json config = {{"data",
                        {{"path", "/d"},
                         {"resolution", 64},
                         {"scale_column", "scale"},
                         {"stretch", {{"lo", 0}, {"hi", 2}}},
                         {"group_column", nullptr}}},
                       {"prompt", {{"replace", {{"a", "b"}}}}}};
  const DataOptions options = data_options(config);
  EXPECT_EQ(options.resolution, 64);
  EXPECT_EQ(options.scale_column, "scale");
  EXPECT_EQ(options.stretch["hi"], 2);
  EXPECT_EQ(options.prompt_replace.at(0).second, "b");
  for (const auto& [key, value] :
       {std::pair{"crop", "corner"}, std::pair{"resize", "nearest"}, std::pair{"format", "zip"},
        std::pair{"gray", "red"}, std::pair{"flip", "azimuth"}, std::pair{"split", "../x"}}) {
    json bad = config;
    bad["data"][key] = value;
    EXPECT_THROW(data_options(bad), Error) << key;
  }
}

TEST(EvaluationItems, AreTheFirstOfEachLabelByDigestOfTheirName) {
  const TempFolder folder;
  std::filesystem::create_directories(folder.path() / "test");
  std::string metadata;
  for (int i = 0; i < 12; ++i) {
    const std::string name = "p" + std::to_string(i) + ".png";
    write_png(folder.path() / "test" / name, {2, 2, std::vector<float>(4, 0.5F)}, 8);
    metadata +=
        json({{"file_name", name}, {"text", "x"}, {"label", i < 9 ? "many" : "few"}}).dump() + "\n";
  }
  folder.write("test/metadata.jsonl", metadata);
  DataOptions options;
  options.path = folder.path();
  options.resolution = 2;
  const Dataset data(options, "test");
  const std::vector<std::size_t> chosen = evaluation_items(data, 4);
  ASSERT_EQ(chosen.size(), 7U);  // three of `few`, four of `many`
  std::set<std::string> taken;
  for (std::size_t i = 3; i < 7; ++i) taken.insert(sha256(data.items()[chosen[i]].file_name));
  for (int i = 0; i < 9; ++i) {
    const std::string digest = sha256("p" + std::to_string(i) + ".png");
    EXPECT_TRUE(taken.count(digest) != 0 || digest > *taken.rbegin()) << i;
  }
}

TEST(RealChips, MeasureAsNumpyDoes) {
  if (referee_python().empty() || !std::filesystem::exists(shared_data() / "mstar")) {
    GTEST_SKIP() << "no real data or no .venv-test";
  }
  DataOptions options;
  options.path = shared_data() / "mstar";
  options.split = "val";  // The smaller one: any split can be measured.
  options.resolution = 64;
  options.scale_column = "scale";
  options.stretch = "mean3sigma";
  const Dataset data(options, "val");
  const json referee = ask_referee("statistics_referee.py", (options.path / "val").string());
  EXPECT_EQ(data.items().size(), referee["n"].get<std::size_t>());
  const double expected = referee["mean"].get<double>() + 3 * referee["sigma"].get<double>();
  EXPECT_NEAR(data.stretch().reference, expected, 1e-9 * expected);
}

}  // namespace
}  // namespace sarsweep::trainer
