// Data as a run meets it: the cache of latents, the layouts, bad pictures and bad values; real
// processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "tests/support/illegal_values.h"
#include "tests/support/referee.h"
#include "tests/trainer/core/tar_text.h"
#include "tests/trainer/torch/jobs/run_folder.h"

namespace sarsweep::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

class DataCommand : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!open_clip_vocabulary())
      GTEST_SKIP() << "the open_clip vocabulary of .venv is not installed";
    shared_ = std::make_unique<TemporaryFolder>();
    const ProcessResult data =
        run_process({trainer_program(), "synthesize", "--out", (*shared_ / "data").string(),
                     "--per-label", "6", "--size", "64", "--seed", "1"});
    ASSERT_EQ(data.exit_code, 0) << data.output;
    fs::remove_all(*shared_ / "data/val");  // nothing here is about validation
    const ProcessResult model = run_process({trainer_program(), "init", "--preset", "tiny", "--out",
                                             (*shared_ / "tiny").string(), "--seed", "1", "--vocab",
                                             open_clip_vocabulary()->string()});
    ASSERT_EQ(model.exit_code, 0) << model.output;
    fs::copy(*shared_ / "tiny", *shared_ / "decoder", fs::copy_options::recursive);
    fs::copy(*shared_ / "tiny", *shared_ / "encoder", fs::copy_options::recursive);
    const std::string weights = "vae/diffusion_pytorch_model.safetensors";
    touch_tensor(*shared_ / "decoder/" / weights, "decoder.conv_in.weight");
    touch_tensor(*shared_ / "encoder/" / weights, "encoder.conv_in.weight");
  }
  static void TearDownTestSuite() { shared_.reset(); }

  // One update on a tiny model.
  json document() {
    return {{"run_id", "r1"},
            {"name", "heart-rose-2"},
            {"seed", 3},
            {"device", "cpu"},
            {"threads", 1},
            {"cache_dir", folder_ / "cache"},
            {"resume", json::array()},
            {"config",
             {{"model", {{"path", *shared_ / "tiny"}}},
              {"data",
               {{"path", *shared_ / "data"},
                {"resolution", 64},
                {"stretch", "mean3sigma"},
                {"scale_column", "scale"}}},
              {"unet", {{"mode", "full"}, {"lr", 1e-3}}},
              {"train", {{"steps", 1}, {"global_batch", 4}, {"micro_batch", 2}}},
              {"samples", {{"steps", 1}, {"prompts", {"a ship"}}}}}}};
  }
  fs::path run(const std::string& name, const json& document, int expected_code = 0) {
    const fs::path run_dir = write_run(folder_ / name, document);
    EXPECT_EQ(RunningProcess(train_arguments(run_dir)).wait(), expected_code) << name;
    return run_dir;
  }
  // How many images each opening of the cache had to encode.
  std::vector<int> encoded(const std::string& name, const json& document) {
    std::vector<int> counts;
    for (const json& event : told(run(name, document), "cache")) {
      counts.push_back(event["encoded"].get<int>());
    }
    return counts;
  }
  static std::string loss_of(const fs::path& run_dir) {
    for (const json& event : told(run_dir, "metrics")) {
      if (event["values"].contains("train/loss")) return event["values"]["train/loss"].dump();
    }
    return "no loss";
  }
  std::vector<fs::path> cache_files(const std::string& ending) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache/latents")) {
      if (entry.path().extension() == ending) files.push_back(entry.path());
    }
    return files;
  }
  fs::path copy_of_data() {
    fs::copy(*shared_ / "data", folder_ / "data", fs::copy_options::recursive);
    return folder_ / "data";
  }
  // Ends with 78 and one sentence; nothing but the log of it is left.
  std::string refusal(const std::string& name, const json& document) {
    const fs::path run_dir = run(name, document, 78);
    std::vector<std::string> left;
    for (const auto& entry : fs::recursive_directory_iterator(run_dir)) {
      left.push_back(entry.path().filename().string());
    }
    EXPECT_THAT(left, testing::UnorderedElementsAre("run.json", "events.jsonl", "trainer.log"));
    if (fs::exists(folder_ / "cache/latents")) {
      EXPECT_TRUE(cache_files(".safetensors").empty() && cache_files(".tmp").empty()) << name;
    }
    const std::vector<json> errors = told(run_dir, "error");
    if (errors.size() != 1) return "not one error";
    const std::string sentence = errors[0]["message"];
    EXPECT_EQ(sentence.find('\n'), std::string::npos) << sentence;
    return sentence;
  }

  static std::unique_ptr<TemporaryFolder> shared_;
  TemporaryFolder folder_;
};

std::unique_ptr<TemporaryFolder> DataCommand::shared_;

constexpr int kImages = 22;  // of the training split: 11 labels x 2

TEST_F(DataCommand, ASecondRunEncodesNothingAndWhatChangesLatentsEncodesAnew) {
  const json plain = document();
  const auto changed = [&](const char* group, const json& values) {
    json other = plain;
    other["config"][group].update(values);
    return other;
  };
  EXPECT_THAT(encoded("first", plain), ElementsAre(kImages));
  EXPECT_THAT(encoded("again", plain), ElementsAre(0));
  EXPECT_THAT(encoded("lr", changed("unet", {{"lr", 2e-3}})), ElementsAre(0));
  EXPECT_THAT(encoded("replaced", changed("prompt", {{"replace", {{"a", "b"}}}})), ElementsAre(0));
  EXPECT_THAT(encoded("decoder", changed("model", {{"path", *shared_ / "decoder"}})),
              ElementsAre(0));
  EXPECT_THAT(encoded("encoder", changed("model", {{"path", *shared_ / "encoder"}})),
              ElementsAre(kImages));
  EXPECT_THAT(encoded("stretch", changed("data", {{"stretch", "sqrt"}})), ElementsAre(kImages));
  EXPECT_THAT(encoded("size", changed("data", {{"resolution", 32}})), ElementsAre(kImages));
  EXPECT_THAT(encoded("tile", changed("data", {{"resolution", 32}, {"crop", "tile"}})),
              ElementsAre(4 * kImages));
  EXPECT_THAT(encoded("shrunk", changed("data", {{"resolution", 32}, {"resize", "block_mean"}})),
              ElementsAre(kImages));
  // The pictures as they are have been encoded before; only the mirrored ones are new.
  EXPECT_THAT(encoded("flip", changed("data", {{"flip", "azimuth"}, {"range_axis", "columns"}})),
              ElementsAre(0, kImages));
  EXPECT_THAT(encoded("random", changed("data", {{"resolution", 32}, {"crop", "random"}})),
              ElementsAre());
}

TEST_F(DataCommand, TwoProcessesAtOnceBuildTheCacheOnce) {
  const fs::path a = write_run(folder_ / "a", document());
  const fs::path b = write_run(folder_ / "b", document());
  RunningProcess first(train_arguments(a)), second(train_arguments(b));
  EXPECT_EQ(first.wait(), 0);
  EXPECT_EQ(second.wait(), 0);
  const int together =
      told(a, "cache").at(0)["encoded"].get<int>() + told(b, "cache").at(0)["encoded"].get<int>();
  EXPECT_EQ(together, kImages);
  EXPECT_EQ(loss_of(a), loss_of(b));
}

TEST_F(DataCommand, ADamagedCacheIsBuiltAnewAndNeverTrusted) {
  const std::string loss = loss_of(run("first", document()));
  const fs::path file = cache_files(".safetensors").at(0), seal = cache_files(".json").at(0);
  const std::string whole = read_file(file), sealed = read_file(seal);
  std::string flipped = whole;
  flipped[whole.size() - 1000] ^= 0x10;
  const auto damage = [&](const std::string& name, const fs::path& path, const std::string& bytes) {
    write_file_atomically(path, bytes);
    const fs::path run_dir = run(name, document());
    EXPECT_EQ(told(run_dir, "cache").at(0)["encoded"], kImages) << name;
    EXPECT_EQ(loss_of(run_dir), loss) << name;
    EXPECT_TRUE(read_file(file) == whole) << name;
    EXPECT_EQ(read_file(seal), sealed) << name;
  };
  damage("flipped", file, flipped);
  damage("short", file, whole.substr(0, whole.size() / 2));
  damage("empty", file, "");
  damage("seal", seal, "{}");
}

TEST_F(DataCommand, ShardsTrainAsTheFolderDoes) {
  const fs::path data = *shared_ / "data";
  for (const char* split : {"train", "test"}) {
    std::ifstream in(data / split / "metadata.jsonl");
    std::string archive;
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      const std::string key = std::to_string(1000 + number++);
      const std::string file = json::parse(line)["file_name"];
      archive += trainer::tar_member(key + ".png", read_file(data / split / file));
      archive += trainer::tar_member(key + ".json", line);
    }
    fs::create_directories(folder_ / "shards");
    write_file_atomically(folder_ / "shards" / (std::string(split) + "-0000.tar"),
                          archive + trainer::kTarEnd);
  }
  const std::string loss = loss_of(run("folder", document()));
  json shards = document();
  shards["config"]["data"]["path"] = folder_ / "shards";
  const fs::path run_dir = run("shards", shards);
  EXPECT_EQ(loss_of(run_dir), loss);
  EXPECT_EQ(told(run_dir, "cache").at(0)["encoded"], 0);  // the same pixels, wherever they lie
}

TEST_F(DataCommand, RandomViewsDoNotDependOnTheBatchSplit) {
  json parts = document();
  parts["config"]["data"].update(
      {{"resolution", 32}, {"crop", "random"}, {"flip", "both"}, {"range_axis", "columns"}});
  parts["config"]["train"]["micro_batch"] = 1;
  json whole = parts;
  whole["config"]["train"]["micro_batch"] = 4;
  json centred = whole;
  centred["config"]["data"].update({{"crop", "center"}, {"flip", "none"}});
  const fs::path first = run("parts", parts);
  const double loss = std::stod(loss_of(first));
  EXPECT_NEAR(loss, std::stod(loss_of(run("whole", whole))), 1e-5 * loss);
  EXPECT_GT(std::abs(loss - std::stod(loss_of(run("centred", centred)))), 1e-4 * loss);
  EXPECT_THAT(told(first, "warning").at(0)["message"].get<std::string>(),
              HasSubstr("data.flip both mirrors range too"));
}

TEST_F(DataCommand, BadPicturesEndARunBeforeItTrains) {
  const fs::path data = copy_of_data();
  json broken = document();
  broken["config"]["data"]["path"] = data;
  const fs::path one = data / "train/forest-0000.png", other = data / "train/field-0000.png";
  const std::string whole = read_file(one);
  write_file_atomically(one, whole.substr(0, whole.size() - 30));
  write_file_atomically(other, "");
  std::string told_together = refusal("headers", broken);
  EXPECT_THAT(told_together, HasSubstr("field-0000.png: is empty"));
  write_file_atomically(other, whole.substr(0, whole.size() / 2));
  told_together = refusal("pixels", broken);  // found while the stretch is measured
  EXPECT_THAT(told_together, HasSubstr("2 of 22 pictures cannot be used"));
  EXPECT_THAT(told_together, HasSubstr("forest-0000.png"));
  EXPECT_THAT(told_together, HasSubstr("field-0000.png"));
  broken["config"]["data"]["stretch"] = {{"lo", 0}, {"hi", 3}};
  told_together = refusal("latents", broken);  // found while latents are made
  EXPECT_THAT(told_together, HasSubstr("2 of 22 pictures cannot be used"));
  fs::remove(other);
  EXPECT_THAT(refusal("missing", broken), HasSubstr("no such picture"));
}

// A training split of pictures that Pillow and tifffile made (make_pictures.py), small ones, which
// are enlarged.
class MadePictures : public DataCommand {
 protected:
  static void SetUpTestSuite() {
    if (!referee_present()) GTEST_SKIP() << "no .venv-test";
    DataCommand::SetUpTestSuite();
    if (!shared_) return;
    fs::create_directory(*shared_ / "made");
    const ProcessResult made = run_referee("../trainer/core/make_pictures.py", {*shared_ / "made"});
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }
  json document_of(const std::vector<std::string>& names, const json& stretch) {
    const fs::path split = folder_ / "made/train";
    fs::remove_all(split.parent_path());
    fs::create_directories(split);
    std::string rows;
    for (const std::string& name : names) {
      fs::copy(*shared_ / "made" / name, split / name);
      rows += json{{"file_name", name}, {"text", "A picture " + name}}.dump() + "\n";
    }
    write_file_atomically(split / "metadata.jsonl", rows);
    json result = document();
    result["config"]["data"] = {{"path", split.parent_path()},
                                {"resolution", 64},
                                {"resize", "lanczos"},
                                {"stretch", stretch}};
    result["config"]["train"]["steps"] = 2;
    return result;
  }
};

TEST_F(MadePictures, OfEveryRefusedKindEndARunByNameAndCure) {
  const std::vector<std::pair<std::string, std::string>> refused = {
      {"cmyk.tif", "has TIFF colour space 5"},
      {"palette.tif", "has TIFF colour space 3"},
      {"white_is_zero.tif", "has TIFF colour space 0"},
      {"grey_alpha.tif", "has 2 samples a pixel"},
      {"complex.tif", "holds complex samples"},
      {"signed.tif", "holds 16-bit samples of TIFF format 2"},
      {"double.tif", "holds 64-bit samples of TIFF format 3"},
      {"planes.tif", "stores its channels in separate"},
      {"pages.tif", "holds several pictures"},
      {"one_pixel.png", "1 x 1 pixels is no picture"},
      {"picture.jpg", "neither PNG nor TIFF"},
      {"nan.tif", "replace pixels without data by 0"},
      {"infinite.tif", "sample inf at row 2, column 1"},
      {"decibels.tif", "10^(dB/20)"},
      {"bomb.png", "its header promises"},
      {"bomb.tif", "its header promises"},
      {"huge.png", "cut it into tiles"}};
  for (const auto& [name, words] : refused) {
    SCOPED_TRACE(name);
    EXPECT_THAT(refusal(name, document_of({"grey16.png", name}, "sqrt")),
                testing::AllOf(HasSubstr(name + ": "), HasSubstr(words)));
  }
  for (const char* name : {"grey16.png", "rgb16.png", "float.tif"}) {
    SCOPED_TRACE(name);
    EXPECT_THAT(refusal(std::string("unstretched-") + name, document_of({name}, "none")),
                testing::AllOf(HasSubstr(name), HasSubstr("need data.stretch")));
  }
}

TEST_F(MadePictures, OfUnusualKindsTrainAlikeInBothLayouts) {
  const std::vector<std::string> names = {"float.tif", "palette.png", "rgb16.png"};
  json document = document_of(names, "sqrt");
  const std::string loss = loss_of(run("imagefolder", document));
  EXPECT_TRUE(std::isfinite(std::stod(loss)));
  const fs::path split = folder_ / "made/train";
  fs::remove(split / "metadata.jsonl");
  for (const std::string& name : names) {
    write_file_atomically((split / name).replace_extension(".txt"), "A picture " + name + "\n");
  }
  const fs::path run_dir = run("kohya", document);
  EXPECT_EQ(loss_of(run_dir), loss);
  EXPECT_EQ(told(run_dir, "cache").at(0)["encoded"], 0);  // the same pixels
}

TEST_F(DataCommand, ABadPictureOfTheTestSplitIsToldBeforeTraining) {
  const fs::path data = copy_of_data();
  json broken = document();
  broken["config"]["data"]["path"] = data;
  broken["protocol"] = {{"split", "test"}, {"per_label", 1}, {"steps", 1}};
  const std::string name =
      json::parse(read_file(data / "test/metadata.jsonl")
                      .substr(0, read_file(data / "test/metadata.jsonl").find('\n')))["file_name"];
  const std::string whole = read_file(data / "test" / name);
  write_file_atomically(data / "test" / name, whole.substr(0, whole.size() - 30));
  broken["protocol"]["per_label"] = 100;
  EXPECT_THAT(refusal("test", broken), HasSubstr(name));
  fs::remove_all(data / "test");
  EXPECT_THAT(refusal("split", broken), HasSubstr("has no split 'test'"));
}

// All values of every field are tried without a process in illegal_fields_test.cpp; here one value
// of every fifth field, or of every one where SARSWEEP_EVERY_FIELD is set.
TEST_F(DataCommand, AnIllegalValueOfAnyFieldEndsWith78) {
  const std::size_t step = std::getenv("SARSWEEP_EVERY_FIELD") != nullptr ? 1 : 5;
  std::size_t tried = 0;
  for (std::size_t i = 0; i < config::fields().size(); i += step) {
    const config::Field& field = config::fields()[i];
    const std::vector<json> values = illegal_values(field);
    json bad = document();
    bad["config"] = config_with(field, values.at(i % values.size()));
    EXPECT_THAT(refusal("field" + std::to_string(i), bad), HasSubstr(std::string(field.name)));
    ++tried;
  }
  EXPECT_GT(tried, 60 / step);
}

}  // namespace
}  // namespace sarsweep::tests
