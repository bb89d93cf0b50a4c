#include "trainer/core/metrics/evaluation.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "schema/base/error.h"
#include "schema/base/philox.h"
#include "schema/config/shipped_protocols.h"
#include "tests/trainer/core/metrics/speckle.h"
#include "tests/trainer/core/temp_folder.h"
#include "trainer/core/metrics/folder_pairs.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Rayleigh speckle with sigma 1 per component, times `gain`.
AmplitudeImage speckle(std::uint64_t index, double gain = 1) {
  return rayleigh_image(32, 32, index, gain);
}

AmplitudeImage smoothed(const AmplitudeImage& image) {
  AmplitudeImage result = image;
  for (int row = 1; row < image.height; ++row) {
    for (int col = 1; col < image.width; ++col) {
      result.at(row, col) = (image.at(row, col) + image.at(row - 1, col) + image.at(row, col - 1) +
                             image.at(row - 1, col - 1)) /
                            4;
    }
  }
  return result;
}

EvaluationInput input_of(int ships, int fields, double gain) {
  EvaluationInput input;
  for (int i = 0; i < ships + fields; ++i) {
    input.pairs.push_back({fmt::format("{}.png", i), i < ships ? "ship" : "field", i, speckle(i),
                           speckle(1000 + i, gain)});
  }
  input.stretch = make_stretch("mean3sigma", "dataset", 1.2533, 0.6551);
  input.protocol = {{"hash", "h"}, {"bins", 256}, {"smoothing", "half"}, {"saturation", 0.999}};
  return input;
}

TEST(Evaluation, OfTheSameStatisticsLiesAtTheFloor) {
  const json result = evaluate(input_of(12, 12, 1));
  EXPECT_EQ(result["n"], 24);
  EXPECT_EQ(result["labels"], json({{"ship", 12}, {"field", 12}}));
  EXPECT_EQ(result["protocol_hash"], "h");
  EXPECT_LT(result["kl_pooled"].get<double>(), 2 * result["floor"]["kl_pooled"].get<double>());
  EXPECT_GT(result["floor"]["kl_pooled"].get<double>(), 0);
  EXPECT_TRUE(result["warnings"].empty());
  EXPECT_TRUE(result["vae_pass"].is_null());
  for (const char* key : {"clip_judge", "clip_rank", "clip_rank_per_label", "cosine"}) {
    EXPECT_TRUE(result.contains(key) && result[key].is_null()) << key;
  }
  EXPECT_LT(result["glcm_distance"].get<double>(),
            2 * result["floor"]["glcm_distance"].get<double>());
  EXPECT_NEAR(result["enl_real"]["intensity"].get<double>(), 1, 0.1);
  EXPECT_EQ(result["spectrum_generated"].size(), 32U);
}

TEST(Evaluation, OfADarkerSetIsFarAboveTheFloor) {
  const json result = evaluate(input_of(12, 12, 0.8));
  // Many pixels of Rayleigh speckle with gain 0.8 tend to 0.105.
  EXPECT_NEAR(result["kl_pooled"].get<double>(), 0.105, 0.02);
  EXPECT_GT(result["kl_pooled"].get<double>(), 5 * result["floor"]["kl_pooled"].get<double>());
  EXPECT_GT(result["saturation_real"].get<double>(), result["saturation_generated"].get<double>());
}

TEST(Evaluation, HistogramsOfTheImagesAddUpToEveryPixel) {
  const json result = evaluate(input_of(2, 1, 1));
  ASSERT_EQ(result["images"].size(), 3U);
  for (const json& row : result["images"]) {
    double kept = 0;
    for (const json& count : row["histogram_real"]) kept += count.get<double>();
    EXPECT_NEAR(kept, 1024 * (1 - row["saturation_real"].get<double>()), 1e-6);
    EXPECT_GT(row["kl"].get<double>(), 0);
    EXPECT_TRUE(row["rank_mid"].is_null());
    EXPECT_GT(row["glcm"]["contrast"].get<double>(), 0);
    EXPECT_EQ(row["glcm_values"]["entropy"]["real"].size(), 14U);
  }
  EXPECT_EQ(result["images"][2]["seed"], 2);
}

TEST(Evaluation, LeavesSmallLabelsOutOfTheMeanWithAWarning) {
  const json result = evaluate(input_of(12, 9, 0.8));
  EXPECT_EQ(result["kl_label_mean"], result["kl_per_label"]["ship"]);
  ASSERT_EQ(result["warnings"].size(), 1U);
  EXPECT_THAT(result["warnings"][0].get<std::string>(), HasSubstr("label 'field' has 9 images"));
  EXPECT_TRUE(evaluate(input_of(3, 3, 1))["kl_label_mean"].is_null());
}

TEST(Evaluation, ReportsTheVaePassOfTheSameImages) {
  EvaluationInput input = input_of(4, 4, 1);
  for (const EvaluationPair& pair : input.pairs) input.vae_pass.push_back(smoothed(pair.real));
  const json result = evaluate(input);
  EXPECT_GT(result["vae_pass"]["kl_pooled"].get<double>(), 0.05);
  EXPECT_GT(result["vae_pass"]["autocorrelation"]["1"].get<double>(), 0.4);
  EXPECT_LT(std::abs(result["autocorrelation_real"]["1"].get<double>()), 0.05);
  input.vae_pass.pop_back();
  EXPECT_THROW(evaluate(input), Error);
}

TEST(Evaluation, QuantisesBothSidesToTheProtocolsBits) {
  EvaluationInput input = input_of(1, 1, 1);
  input.protocol["bins"] = 512;
  const auto filled = [](const json& result) {
    int bins = 0;
    for (const json& count : result["images"][0]["histogram_real"])
      bins += count.get<int>() > 0 ? 1 : 0;
    return bins;
  };
  const int fine = filled(evaluate(input));
  input.protocol["bits"] = 8;
  EXPECT_LE(filled(evaluate(input)), 256);
  EXPECT_GT(fine, 256);
}

TEST(Evaluation, NamesThePictureThatIsNotFinite) {
  EvaluationInput input = input_of(2, 1, 1);
  input.pairs[1].generated.pixels[5] = NAN;
  try {
    evaluate(input);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("1.png (generated)"));
  }
  EXPECT_THROW(evaluate(EvaluationInput{}), Error);
}

TEST(Evaluation, OfASaturatedModelHasNoDivergenceButAWarning) {
  EvaluationInput input = input_of(1, 1, 1);
  for (EvaluationPair& pair : input.pairs) {
    std::fill(pair.generated.pixels.begin(), pair.generated.pixels.end(), 1e6F);
  }
  const json result = evaluate(input);
  EXPECT_TRUE(result["kl_pooled"].is_null());
  EXPECT_EQ(result["saturation_generated"], 1.0);
  EXPECT_EQ(result["autocorrelation_generated"]["1"], 0.0);
  EXPECT_THAT(result["warnings"].dump(), HasSubstr("every pixel of one side is saturated"));
}

TEST(ProtocolHash, CoversRulesDataAndSizeButNotTheName) {
  const json protocol = {{"bins", 256}, {"smoothing", "eps"}};
  const std::string hash = protocol_hash(protocol, "d", 64);
  json named = protocol;
  named["name"] = "mine";
  named["hash"] = "old";
  EXPECT_EQ(protocol_hash(named, "d", 64), hash);
  EXPECT_NE(protocol_hash({{"bins", 255}, {"smoothing", "eps"}}, "d", 64), hash);
  EXPECT_NE(protocol_hash(protocol, "e", 64), hash);
  EXPECT_NE(protocol_hash(protocol, "d", 128), hash);
}

class Folders : public testing::Test {
 protected:
  // Pictures of speckle / 8 in 16 bits; `stretch` is put into each line of the metadata.
  void make(const std::string& side, const std::vector<std::string>& names, double gain,
            const json& stretch = nullptr) {
    std::filesystem::create_directories(folder_.path() / side);
    std::string lines;
    for (std::size_t i = 0; i < names.size(); ++i) {
      AmplitudeImage image = speckle(i, gain / 8);
      write_png(folder_.path() / side / names[i], image, 16);
      json row = {{"file_name", names[i]}, {"label", "ship"}, {"seed", 40 + i}};
      if (!stretch.is_null()) row["stretch"] = stretch;
      lines += row.dump() + "\n";
    }
    folder_.write(side + "/metadata.jsonl", lines);
  }
  EvaluationInput load() {
    return load_folder_pairs(folder_.path() / "real", folder_.path() / "made",
                             config::shipped_protocols().at("sar-v1"));
  }
  TempFolder folder_;
};

TEST_F(Folders, PairByNameWhereNamesAgree) {
  make("real", {"a.png", "b.png", "c.png"}, 1);
  make("made", {"c.png", "a.png"}, 1);
  const EvaluationInput input = load();
  ASSERT_EQ(input.pairs.size(), 2U);
  EXPECT_EQ(input.pairs[0].file_name, "c.png");
  EXPECT_EQ(input.pairs[0].seed, 40);
  EXPECT_EQ(input.pairs[0].label, "ship");
  EXPECT_EQ(input.protocol["hash"].get<std::string>().size(), 64U);
  EXPECT_EQ(evaluate(input)["n"], 2);
}

TEST_F(Folders, PairByOrderWhereNoNameAgrees) {
  make("real", {"a.png", "b.png"}, 1);
  make("made", {"y.png", "x.png"}, 1);
  std::filesystem::remove(folder_.path() / "made/metadata.jsonl");
  const EvaluationInput input = load();
  ASSERT_EQ(input.pairs.size(), 2U);
  EXPECT_EQ(input.pairs[0].generated.pixels, input.pairs[1].real.pixels);  // x.png comes first.
  make("made", {"y.png", "a.png"}, 1);
  EXPECT_THROW(load(), Error);
  make("made", {"y.png"}, 1);
  EXPECT_THROW(load(), Error);
}

TEST_F(Folders, UndoTheStretchNamedInTheMetadata) {
  make("real", {"a.png"}, 1);
  make("made", {"a.png"}, 1, make_stretch("mean3sigma", "dataset", 4, 0).to_json());
  const EvaluationInput input = load();
  EXPECT_FLOAT_EQ(input.pairs[0].generated.pixels[3], 4 * input.pairs[0].real.pixels[3]);
}

}  // namespace
}  // namespace sarsweep::trainer
