// The layouts of a data set (docs/data.md): equal pictures read equal, whatever they lie in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "tests/trainer/core/tar_text.h"
#include "tests/trainer/core/temp_folder.h"
#include "trainer/core/data/dataset.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Layouts : public testing::Test {
 protected:
  void SetUp() override {
    options_.path = folder_.path();
    options_.resolution = 8;
  }
  // The bytes of an 8 x 8 picture.
  std::string png(float value, int side = 8) {
    const fs::path file = made_.path() / "p.png";
    const auto pixels = static_cast<std::size_t>(side) * side;
    write_png(file, {side, side, std::vector<float>(pixels, value)}, 8);
    return read_file(file);
  }
  std::string refusal(const std::string& split = "train") {
    try {
      const Dataset data(options_, split);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid) << error.what();
      return error.what();
    }
    return "no error";
  }
  TempFolder folder_, made_;
  DataOptions options_;
};

TEST_F(Layouts, ReadTheSamePixelsCaptionsAndLabels) {
  const std::string ship = png(0.2F), field = png(0.4F);
  folder_.write("train/a.png", ship);
  folder_.write("train/b.png", field);
  folder_.write("train/metadata.jsonl",
                R"({"file_name": "a.png", "text": "A ship", "label": "ship"})"
                "\n"
                R"({"file_name": "b.png", "text": "A field", "label": "field"})");
  folder_.write("web/train-0.tar", tar_member("a.png", ship) + tar_member("a.txt", "A ship\n") +
                                       tar_member("a.cls", "ship") + kTarEnd);
  folder_.write("web/train-1.tar",
                tar_member("x/b.png", field) +
                    tar_member("x/b.json", R"({"text": "A field", "label": "field"})") +
                    tar_member("x/b.txt", "another") + tar_member("._b.png", "mac") + kTarEnd);
  folder_.write("kohya/train/3_field/b.png", field);
  folder_.write("kohya/train/3_field/b.txt", "A field");
  folder_.write("kohya/train/3_ship/a.png", ship);
  folder_.write("kohya/train/3_ship/a.caption", " A ship \n");
  const Dataset plain(options_, "train");
  for (const char* other : {"web", "kohya"}) {
    SCOPED_TRACE(other);
    DataOptions options = options_;
    options.path = folder_.path() / other;
    const Dataset data(options, "train");
    ASSERT_EQ(data.items().size(), 2U);
    const bool swapped = data.items()[0].label == "field";
    for (std::size_t i = 0; i < 2; ++i) {
      const std::size_t k = swapped ? 1 - i : i;
      EXPECT_EQ(data.items()[k].caption, plain.items()[i].caption);
      EXPECT_EQ(data.items()[k].label, plain.items()[i].label);
      EXPECT_EQ(data.items()[k].sha256, plain.items()[i].sha256);
      EXPECT_EQ(data.amplitude(k).pixels, plain.amplitude(i).pixels);
    }
  }
}

TEST_F(Layouts, AFolderWithoutSplitsIsTheOneThatTrains) {
  folder_.write("1_ship/a.png", png(0.2F));
  folder_.write("1_ship/a.txt", "A ship");
  EXPECT_EQ(Dataset(options_, "train").items().at(0).file_name, "1_ship/a.png");
  EXPECT_THAT(refusal("test"), HasSubstr("has no split 'test'"));
}

TEST_F(Layouts, WhatCannotBeReadIsNamed) {
  fs::create_directories(folder_.path() / "train");
  EXPECT_THAT(refusal(), HasSubstr("train: holds neither metadata.jsonl (imagefolder), nor"));
  folder_.write("train/a.png", png(0.2F));
  options_.format = "kohya";
  EXPECT_THAT(refusal(), HasSubstr("a.png: has no caption file a.txt beside it"));
  folder_.write("train/a.txt", "\xff");
  EXPECT_THAT(refusal(), HasSubstr("a.txt: is not UTF-8 at byte 0"));
  options_.format = "webdataset";
  EXPECT_THAT(refusal(), HasSubstr("holds no .tar shard"));
  folder_.write("train/s.tar", tar_member("a.txt", "A ship") + kTarEnd);
  EXPECT_THAT(refusal(), HasSubstr("s.tar/a: has no picture"));
  folder_.write("train/s.tar", tar_member("a.png", png(0.2F)) + kTarEnd);
  EXPECT_THAT(refusal(), HasSubstr("s.tar/a.png: has no caption column 'text'"));
  folder_.write("train/s.tar", tar_member("a.png", "x") + tar_member("a.png", "y") + kTarEnd);
  EXPECT_THAT(refusal(), HasSubstr("s.tar/a.png: comes twice"));
  folder_.write("train/s.tar", tar_member("a.png", "x") + tar_member("a.tif", "y") + kTarEnd);
  EXPECT_THAT(refusal(), HasSubstr("s.tar/a: has several pictures"));
  folder_.write("train/s.tar", tar_member("a.jpg", "x") + tar_member("a.txt", "y") + kTarEnd);
  EXPECT_THAT(refusal(), HasSubstr("s.tar/a.jpg: neither PNG nor TIFF"));
}

TEST_F(Layouts, UnequalRepeatsAreRefused) {
  for (const char* name : {"10_ship/a", "2_field/b"}) {
    folder_.write(std::string("train/") + name + ".png", png(0.2F));
    folder_.write(std::string("train/") + name + ".txt", "x");
  }
  EXPECT_THAT(refusal(), HasSubstr("the folders 10_ship and 2_field ask for different repeats"));
}

TEST_F(Layouts, SeveralBadFilesAreToldTogether) {
  const std::string good = png(0.2F);
  std::string metadata;
  for (int i = 0; i < 14; ++i) {
    const std::string name = "p" + std::to_string(i) + ".png";
    folder_.write("train/" + name, i < 12 ? good.substr(0, 20) : good);
    metadata += R"({"text": "x", "file_name": ")" + name + "\"}\n";
  }
  folder_.write("train/metadata.jsonl", metadata);
  const std::string told = refusal();
  EXPECT_THAT(told, HasSubstr("12 of 14 pictures cannot be used"));
  EXPECT_THAT(told, HasSubstr("p0.png: not a readable PNG"));
  EXPECT_THAT(told, HasSubstr("p9.png"));
  EXPECT_THAT(told, HasSubstr("and 2 more"));
  EXPECT_EQ(told.find('\n'), std::string::npos);
  // Pixels are read later than headers: the same holds there.
  for (int i = 0; i < 14; ++i) {
    const std::string cut = i < 2 ? good.substr(0, good.size() - 20) : good;
    folder_.write("train/p" + std::to_string(i) + ".png", cut);
  }
  options_.stretch = "mean3sigma";
  EXPECT_THAT(refusal(), HasSubstr("2 of 14 pictures cannot be used"));
  options_.stretch = "none";
  const Dataset data(options_, "train");
  EXPECT_THROW(require_readable(data, {0, 1, 2}), Error);
  EXPECT_NO_THROW(require_readable(data, {2, 3}));
}

TEST_F(Layouts, TilesBecomeItemsOfTheirOwn) {
  folder_.write("train/a.png", png(0.2F, 20));
  folder_.write("train/a.txt", "A ship");
  options_.crop = "tile";
  const Dataset data(options_, "train");
  ASSERT_EQ(data.items().size(), 4U);
  EXPECT_EQ(data.items()[3].file_name, "a.png@10,10");
  EXPECT_EQ(data.items()[3].view, (View{10, 10, {}}));
  EXPECT_EQ(data.size_conditioning(3, data.items()[3].view),
            (std::array<float, 6>{20, 20, 10, 10, 8, 8}));
}

TEST_F(Layouts, StatisticsAreRememberedAndADamagedFileIsMeasuredAnew) {
  folder_.write("train/a.png", png(0.2F));
  folder_.write("train/a.txt", "A ship");
  options_.stretch = "mean3sigma";
  options_.cache_dir = folder_.path() / "cache";
  const double measured = Dataset(options_, "train").stretch().reference;
  const fs::directory_iterator files(options_.cache_dir / "statistics");
  ASSERT_NE(files, fs::directory_iterator());
  const fs::path file = files->path();
  const std::string whole = read_file(file);
  EXPECT_EQ(Dataset(options_, "train").stretch().reference, measured);
  const std::size_t digit = whole.find("0.2") + 2;
  for (const std::string& damaged :
       {whole.substr(0, 10), whole.substr(0, digit) + "3" + whole.substr(digit + 1)}) {
    write_file_atomically(file, damaged);
    EXPECT_EQ(Dataset(options_, "train").stretch().reference, measured);
    EXPECT_EQ(read_file(file), whole);
  }
  folder_.write("train/a.png", png(0.4F));
  EXPECT_NE(Dataset(options_, "train").stretch().reference, measured);
}

}  // namespace
}  // namespace sarsweep::trainer
