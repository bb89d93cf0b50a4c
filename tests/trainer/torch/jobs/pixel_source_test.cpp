#include "trainer/torch/jobs/pixel_source.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/trainer/core/temp_folder.h"
#include "trainer/torch/jobs/pictures.h"

namespace sarsweep::trainer {
namespace {

class PixelSources : public testing::Test {
 protected:
  void SetUp() override {
    std::string metadata;
    for (int k = 0; k < 3; ++k) {
      const std::string name = std::to_string(k) + ".png";
      AmplitudeImage image{24, 32, {}};
      for (int i = 0; i < 24 * 32; ++i) {
        image.pixels.push_back(static_cast<float>(i * (k + 1) % 251) / 255);
      }
      std::filesystem::create_directories(folder_.path() / "train");
      write_png(folder_.path() / "train" / name, image, 8);
      metadata += R"({"text": "x", "file_name": ")" + name + "\"}\n";
    }
    folder_.write("train/metadata.jsonl", metadata);
    options_.path = folder_.path();
    options_.resolution = 16;
    options_.flip = "both";
    options_.range_axis = "rows";
  }
  TempFolder folder_;
  DataOptions options_;
};

TEST_F(PixelSources, GiveEachSampleTheViewOfItsOwnDrawsAndTellItsCorner) {
  for (const char* crop : {"center", "tile", "random"}) {
    SCOPED_TRACE(crop);
    options_.crop = crop;
    const Dataset data(options_, "train");
    PixelSource source(data, 7);
    std::vector<StreamSample> samples;
    for (int i = 0; i < 40; ++i) {
      samples.push_back({i, static_cast<std::size_t>(i) % data.items().size()});
    }
    const at::Tensor pixels = source.pixels(samples), ids = source.time_ids(samples);
    std::set<std::pair<float, float>> corners;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const SampleDraws draws(7, static_cast<std::uint64_t>(samples[i].sample_index));
      const View view = data.drawn_view(samples[i].image, draws);
      const at::Tensor expected = pixels_of(data.stretched(data.picture(samples[i].image), view));
      EXPECT_TRUE(pixels[static_cast<std::int64_t>(i)].equal(expected)) << i;
      const std::array<float, 6> told = data.size_conditioning(samples[i].image, view);
      const float* row = ids.const_data_ptr<float>() + 6 * i;
      EXPECT_TRUE(std::equal(told.begin(), told.end(), row)) << i;
      EXPECT_EQ(row[0], 24);
      EXPECT_EQ(row[1], 32);
      corners.emplace(row[2], row[3]);
    }
    EXPECT_GT(corners.size(), options_.crop == "random" ? 20U : 0U);
    EXPECT_TRUE(pixels_of(source.plain(1)).equal(pixels_of(data.stretched(1))));
  }
}

}  // namespace
}  // namespace sarsweep::trainer
