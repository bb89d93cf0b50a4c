// The whole result document against numpy, scipy and scikit-image on a hundred and more pictures of
// each real set, and on as many synthetic ones.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "schema/base/philox.h"
#include "schema/config/shipped_protocols.h"
#include "tests/trainer/core/referee.h"
#include "tests/trainer/core/temp_folder.h"
#include "trainer/core/data/image_folder.h"
#include "trainer/core/metrics/evaluation.h"
#include "trainer/core/metrics/folder_pairs.h"
#include "trainer/core/synthetic/synthetic_set.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Copies `per_label` pictures of every label with their lines, labels in ascending order.
std::size_t copy_pictures(const fs::path& from, const fs::path& to, std::size_t per_label) {
  std::map<std::string, std::vector<json>> by_label;
  for (const MetadataRow& row : read_metadata(from)) {
    by_label[row.values["label"]].push_back(row.values);
  }
  fs::create_directories(to);
  std::ofstream lines(to / "metadata.jsonl");
  std::size_t copied = 0;
  for (const auto& [label, rows] : by_label) {
    EXPECT_GE(rows.size(), per_label) << label;
    for (std::size_t i = 0; i < per_label; ++i) {
      const json& row = rows[i * rows.size() / per_label];
      fs::copy_file(from / row["file_name"].get<std::string>(),
                    to / row["file_name"].get<std::string>());
      lines << row.dump() << '\n';
      ++copied;
    }
  }
  return copied;
}

// Pictures and captions on a sphere; a tenth of the pairs share another one's caption.
ClipEmbeddings made_embeddings(std::size_t pairs) {
  constexpr std::size_t kWidth = 24;
  const RandomStream random(5, "test", 0);
  std::uint64_t drawn = 0;
  const auto row = [&](const std::vector<float>* near) {
    std::vector<float> values(kWidth);
    for (std::size_t i = 0; i < kWidth; ++i) {
      values[i] =
          static_cast<float>(random.normal(drawn++) + (near != nullptr ? (*near)[i] : 0.0F));
    }
    return values;
  };
  ClipEmbeddings embeddings{
      .judge = "judge", .real = {}, .generated = {}, .text = {}, .caption = {}};
  for (std::size_t i = 0; i < pairs; ++i) {
    if (i % 10 != 9) embeddings.text.push_back(row(nullptr));
    embeddings.caption.push_back(embeddings.text.size() - 1);
    embeddings.real.push_back(row(&embeddings.text.back()));
    embeddings.generated.push_back(row(&embeddings.text.back()));
  }
  return embeddings;
}

json as_json(const ClipEmbeddings& embeddings) {
  return {{"real", embeddings.real},
          {"generated", embeddings.generated},
          {"text", embeddings.text},
          {"caption", embeddings.caption}};
}

class Document : public testing::Test {
 protected:
  void SetUp() override {
    if (referee_python().empty()) GTEST_SKIP() << "no .venv-test";
  }
  fs::path real() const { return folder_.path() / "real"; }
  fs::path generated() const { return folder_.path() / "generated"; }

  // Evaluates the two folders and lets the referee do so too.
  void expect_agreement(const json& protocol, const std::string& fine_label) {
    EvaluationInput input = load_folder_pairs(real(), generated(), protocol);
    ASSERT_GE(input.pairs.size(), 100U);
    input.clip = made_embeddings(input.pairs.size());
    result_ = evaluate(input);
    const fs::path result = folder_.write("result.json", result_.dump());
    const fs::path job = folder_.write("job.json", json({{"result", result.string()},
                                                         {"real", real().string()},
                                                         {"generated", generated().string()},
                                                         {"protocol", protocol},
                                                         {"embeddings", as_json(*input.clip)},
                                                         {"fine_label", fine_label}})
                                                       .dump());
    const json verdict = ask_referee("metrics/document_referee.py", job.string());
    EXPECT_GT(verdict["checked"].get<int>(), 50000);
    for (const json& row : verdict["worst"]) EXPECT_LE(row[0].get<double>(), 1e-9) << row;
    std::cout << fmt::format("{} numbers of {} pairs; worst {}\n", verdict["checked"].dump(),
                             input.pairs.size(),
                             verdict["worst"].empty() ? "1e-12" : verdict["worst"][0].dump());
  }

  void use_shared(const std::string& name, std::size_t per_label) {
    const fs::path set = shared_data() / name;
    if (!fs::exists(set)) GTEST_SKIP() << "no " << set.string();
    copy_pictures(set / "test", real(), per_label);
    copy_pictures(set / "train", generated(), per_label);
  }

  TempFolder folder_;
  json result_;
};

const json& sar_v1() { return config::shipped_protocols().at("sar-v1"); }
const json& mini_v1() { return config::shipped_protocols().at("mini-v1"); }

TEST_F(Document, OfLandTilesIsTheReferees) {
  use_shared("land", 15);
  if (!IsSkipped()) expect_agreement(sar_v1(), "water");
}

TEST_F(Document, OfTargetChipsIsTheReferees) {
  use_shared("mstar", 15);
  if (!IsSkipped()) expect_agreement(mini_v1(), "T-62");
}

// Eleven labels of ten pictures as the program writes them, 16-bit on the real side; the other side
// is float TIFF or 8-bit PNG of the stretched amplitude.
class SyntheticDocument : public Document {
 protected:
  void write_side(const fs::path& folder, std::uint64_t seed, int bits, const json& stretch,
                  int size = 64) {
    fs::create_directories(folder);
    std::ofstream lines(folder / "metadata.jsonl");
    for (const synthetic::SceneKind& kind : synthetic::scene_kinds()) {
      for (std::uint64_t i = 0; i < 10; ++i) {
        const std::string name = fmt::format("{}-{}-{}.png", kind.label, seed, i);
        AmplitudeImage image = synthetic::synthetic_image(kind, size, seed, i).amplitude;
        json row = {{"file_name", name}, {"label", kind.label}};
        if (stretch.is_null()) {
          for (float& pixel : image.pixels) pixel /= 32;
          row["scale"] = 32.0 / 65535;
        } else {
          image = Stretch::from_json(stretch).forward(image);
          row["stretch"] = stretch;
        }
        write_png(folder / name, image, bits);
        lines << row.dump() << '\n';
      }
    }
  }
};

TEST_F(SyntheticDocument, OfSyntheticScenesIsTheReferees) {
  write_side(real(), 1, 16, nullptr);
  write_side(generated(), 2, 16, nullptr);
  expect_agreement(mini_v1(), "port");
  EXPECT_TRUE(result_["warnings"].empty()) << result_["warnings"];
}

TEST_F(SyntheticDocument, OfEightBitPicturesIsTheRefereesAndSaysSo) {
  write_side(real(), 1, 16, nullptr);
  write_side(generated(), 2, 8,
             {{"kind", "mean3sigma"}, {"scope", "dataset"}, {"reference", 1.75}});
  expect_agreement(sar_v1(), "forest");
  ASSERT_EQ(result_["warnings"].size(), 1U) << result_["warnings"];
  json eight = sar_v1();
  eight["bits"] = 8;
  expect_agreement(eight, "forest");
  EXPECT_TRUE(result_["warnings"].empty()) << result_["warnings"];
}

TEST_F(SyntheticDocument, OfFloatTiffIsThatOfTheSamePng) {
  write_side(real(), 1, 16, nullptr);
  write_side(generated(), 2, 16, nullptr);
  const json png = evaluate(load_folder_pairs(real(), generated(), mini_v1()));
  ASSERT_EQ(ask_referee("metrics/as_float_tiff.py", generated().string()), 110);
  EXPECT_EQ(evaluate(load_folder_pairs(real(), generated(), mini_v1())), png);
}

TEST_F(SyntheticDocument, InsideMasksIsTheReferees) {
  write_side(real(), 1, 16, nullptr, 128);
  write_side(generated(), 2, 16, nullptr, 128);
  json protocol = mini_v1();
  protocol["glcm_distances"] = {1, 3};
  protocol["masks"] = "builtin";
  expect_agreement(protocol, "field");
  EXPECT_EQ(result_["mask_source"], "builtin");
  EXPECT_GT(result_["glcm_windows"]["real"]["skipped"], 0);
  EXPECT_GT(result_["glcm_windows"]["real"]["images"], 20);
  // The right half of every picture: the same windows on both sides.
  protocol["masks"] = (folder_.path() / "masks").string();
  AmplitudeImage half{128, 128, std::vector<float>(128 * 128, 0)};
  for (int i = 0; i < 128 * 128; ++i) half.pixels[i] = i % 128 < 64 ? 0 : 1;
  fs::create_directories(folder_.path() / "masks");
  for (const MetadataRow& row : read_metadata(real())) {
    write_png(folder_.path() / "masks" / row.values["file_name"].get<std::string>(), half, 8);
  }
  expect_agreement(protocol, "field");
  EXPECT_EQ(result_["mask_source"], "files");
  EXPECT_EQ(result_["glcm_windows"]["generated"]["windows"], 3 * 110);
}

}  // namespace
}  // namespace sarsweep::trainer
