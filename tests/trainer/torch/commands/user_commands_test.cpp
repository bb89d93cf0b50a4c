// `sample`, `synthesize` and `evaluate` as a user runs them: real processes, exit codes, what they
// say and what they leave on disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "tests/support/referee.h"

namespace sarsweep::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

constexpr int kUsage = 2;
constexpr int kBadInput = 78;

ProcessResult trainer(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), std::string(SARSWEEP_BINARY_DIR) + "/bin/sarsweep-trainer");
  return run_process(arguments);
}

std::vector<json> rows_of(const fs::path& folder) {
  std::vector<json> rows;
  std::istringstream lines(read_file(folder / "metadata.jsonl"));
  for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
  return rows;
}

int bit_depth(const fs::path& png) { return read_file(png).at(24); }  // of the IHDR chunk

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    names.push_back(entry.path().lexically_relative(folder).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class UserCommands : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!open_clip_vocabulary()) GTEST_SKIP() << "open_clip's vocabulary is not in .venv";
    shared_ = std::make_unique<TemporaryFolder>();
    const auto made = [](const ProcessResult& result) {
      ASSERT_EQ(result.exit_code, 0) << result.output;
    };
    made(trainer({"synthesize", "--out", data(), "--per-label", "6", "--size", "64"}));
    for (const char* seed : {"1", "2"}) {
      made(trainer({"init", "--preset", "tiny", "--seed", seed, "--out", model(seed), "--vocab",
                    open_clip_vocabulary()->string()}));
    }
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static std::string data() { return *shared_ / "data"; }
  static std::string model(const std::string& seed = "1") { return *shared_ / ("tiny" + seed); }
  std::string path(const std::string& name) const { return folder_ / name; }
  std::string written(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
    return path(name);
  }

  // `sample` with two steps of 64² into `out`; `more` may say otherwise.
  ProcessResult sample(const std::string& out, std::vector<std::string> more) const {
    std::vector<std::string> arguments{"sample", "--out", path(out), "--steps", "2"};
    const auto says = [&](const char* option) {
      return std::find(more.begin(), more.end(), option) != more.end();
    };
    if (!says("--model")) more.insert(more.end(), {"--model", model()});
    if (!says("--size") && !says("--init-image")) more.insert(more.end(), {"--size", "64"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return trainer(arguments);
  }

  // Ends with `exit_code` and one sentence with `words`, and leaves the folder as it was.
  void expect_refusal(const std::vector<std::string>& arguments, int exit_code,
                      const std::string& words) const {
    SCOPED_TRACE(testing::PrintToString(arguments));
    const std::vector<std::string> before = names_in(folder_.path());
    const ProcessResult result = trainer(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << result.output;
    EXPECT_THAT(result.output, HasSubstr(words));
    // A usage error points to --help in a second line.
    EXPECT_LE(std::count(result.output.begin(), result.output.end(), '\n'),
              exit_code == kUsage ? 2 : 1)
        << result.output;
    EXPECT_EQ(names_in(folder_.path()), before);
  }
  void expect_refused_sample(std::vector<std::string> more, int exit_code,
                             const std::string& words) const {
    more.insert(more.begin(), {"sample", "--out", path("refused")});
    expect_refusal(more, exit_code, words);
  }

  TemporaryFolder folder_;

 private:
  static std::unique_ptr<TemporaryFolder> shared_;
};

std::unique_ptr<TemporaryFolder> UserCommands::shared_;

TEST_F(UserCommands, SampleWritesPicturesAndTheirStory) {
  const std::string prompts = written("prompts.txt", "a tank\r\n\ngrass\n");
  const ProcessResult result =
      sample("a", {"--prompts", prompts, "--count", "2", "--seed", "7", "--sampler", "dpmpp_2m",
                   "--negative", "blurred", "--cfg", "3"});
  ASSERT_EQ(result.exit_code, 0) << result.output;
  const std::vector<json> rows = rows_of(path("a"));
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[1]["text"], "a tank");
  EXPECT_EQ(rows[2]["text"], "grass");
  const json expected = {
      {"file_name", "00003.png"}, {"text", "grass"},      {"seed", 7},  {"item", 3},
      {"sampler", "dpmpp_2m"},    {"steps", 2},           {"cfg", 3.0}, {"negative", "blurred"},
      {"model", model()},         {"lora", json::array()}};
  EXPECT_EQ(rows[3], expected);
  EXPECT_EQ(bit_depth(path("a/00003.png")), 16);
  EXPECT_NE(read_file(path("a/00002.png")), read_file(path("a/00003.png")));
  EXPECT_THAT(result.output, HasSubstr("4 of 4 pictures"));
}

TEST_F(UserCommands, SampleGivesASeedTheSameBytesInEveryBatch) {
  for (const std::string sampler : {"euler", "ddpm"}) {
    for (const std::string batch : {"1", "2", "3"}) {
      ASSERT_EQ(sample(sampler + batch, {"--prompt", "a tank", "--count", "3", "--sampler", sampler,
                                         "--batch", batch})
                    .exit_code,
                0);
    }
    for (const char* file : {"/00000.png", "/00001.png", "/00002.png"}) {
      const std::string one = read_file(path(sampler + "1" + file));
      EXPECT_EQ(read_file(path(sampler + "2" + file)), one);
      EXPECT_EQ(read_file(path(sampler + "3" + file)), one);
    }
  }
  ASSERT_EQ(sample("eight", {"--prompt", "a tank", "--bits", "8"}).exit_code, 0);
  EXPECT_EQ(bit_depth(path("eight/00000.png")), 8);
}

TEST_F(UserCommands, SampleBeginsFromPictures) {
  ASSERT_EQ(sample("a", {"--prompt", "a tank", "--count", "2"}).exit_code, 0);
  const ProcessResult one =
      sample("b", {"--prompt", "grass", "--init-image", path("a/00001.png"), "--strength", "0.5"});
  ASSERT_EQ(one.exit_code, 0) << one.output;
  EXPECT_EQ(rows_of(path("b"))[0]["init_image"], path("a/00001.png"));
  EXPECT_EQ(rows_of(path("b"))[0]["strength"], 0.5);
  // A folder with captions of its own, then with two prompts for each picture.
  ASSERT_EQ(sample("c", {"--init-image", path("a"), "--strength", "1"}).exit_code, 0);
  EXPECT_EQ(rows_of(path("c")).size(), 2u);
  EXPECT_EQ(rows_of(path("c"))[1]["text"], "a tank");
  EXPECT_EQ(rows_of(path("c"))[1]["init_image"], path("a/00001.png"));
  fs::remove(path("a/metadata.jsonl"));
  const std::string prompts = written("prompts.txt", "grass\nsea\n");
  ASSERT_EQ(
      sample("d", {"--init-image", path("a"), "--prompts", prompts, "--strength", "0.5"}).exit_code,
      0);
  const std::vector<json> rows = rows_of(path("d"));
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[1]["text"], "sea");
  EXPECT_EQ(rows[1]["init_image"], path("a/00000.png"));
  EXPECT_EQ(rows[2]["init_image"], path("a/00001.png"));
}

TEST_F(UserCommands, SampleDecodesInTilesOnDemand) {
  for (const std::string tiles : {"auto", "always", "never"}) {
    ASSERT_EQ(sample(tiles, {"--prompt", "a", "--size", "192", "--tiles", tiles}).exit_code, 0);
  }
  EXPECT_EQ(read_file(path("auto/00000.png")), read_file(path("never/00000.png")));
  EXPECT_NE(read_file(path("always/00000.png")), read_file(path("never/00000.png")));
}

TEST_F(UserCommands, SampleRefusesWrongUsage) {
  const std::string m = model();
  expect_refused_sample({"--prompt", "a"}, kUsage, "--model is required");
  expect_refused_sample({"--model", m, "--prompt", "a", "--sampler", "heun"}, kUsage, "dpmpp_2m");
  expect_refused_sample({"--model", m, "--prompt", "a", "--bits", "12"}, kUsage, "--bits");
  expect_refused_sample({"--model", m, "--prompt", "a", "--seed", "x"}, kUsage, "--seed");
  expect_refused_sample({"--model", m, "--prompt", "a", "--strength", "0.5"}, kUsage,
                        "--init-image");
  expect_refused_sample({"--model", m, "--prompt", "a", "--prompts", "b"}, kUsage, "excludes");
  expect_refused_sample({"--model", m, "--prompt", "a", "--tiles", "some"}, kUsage, "--tiles");
  expect_refused_sample({"--model", m, "--prompt", "a", "--colour", "red"}, kUsage, "--colour");
}

TEST_F(UserCommands, SampleRefusesBadInput) {
  const std::string m = model();
  expect_refused_sample({"--model", path("nowhere"), "--prompt", "a"}, kBadInput, "nowhere");
  expect_refused_sample({"--model", m}, kBadInput, "give --prompt TEXT or --prompts FILE");
  expect_refused_sample({"--model", m, "--prompts", path("none.txt")}, kBadInput, "none.txt");
  expect_refused_sample({"--model", m, "--prompts", written("empty.txt", "\n\n")}, kBadInput,
                        "empty.txt holds no prompt");
  expect_refused_sample({"--model", m, "--prompt", "a", "--steps", "0"}, kBadInput,
                        "0 sampling steps; use 1 to 1000");
  expect_refused_sample({"--model", m, "--prompt", "a", "--steps", "1000"}, kBadInput,
                        "999 is the last one trained");
  expect_refused_sample({"--model", m, "--prompt", "a", "--size", "72"}, kBadInput,
                        "multiples of 32");
  expect_refused_sample({"--model", m, "--prompt", "a", "--cfg", "-1"}, kBadInput, "cfg -1");
  expect_refused_sample({"--model", m, "--prompt", "a", "--lora", path("none.safetensors")},
                        kBadInput, "none.safetensors");
  expect_refusal({"sample", "--model", m, "--prompt", "a", "--out", model()}, kBadInput,
                 "no empty folder");
}

TEST_F(UserCommands, SampleRefusesPicturesItCannotBeginFrom) {
  const auto refused = [this](const std::string& begin, const std::string& strength,
                              const std::string& words) {
    expect_refused_sample(
        {"--model", model(), "--prompt", "a", "--init-image", begin, "--strength", strength},
        kBadInput, words);
  };
  ASSERT_EQ(sample("a", {"--prompt", "a"}).exit_code, 0);
  ASSERT_EQ(sample("b", {"--prompt", "a", "--size", "96"}).exit_code, 0);
  fs::remove(path("a/metadata.jsonl"));
  expect_refused_sample({"--model", model(), "--init-image", path("a")}, kBadInput,
                        "00000.png has no caption");
  refused(path("a"), "0", "strength 0 must be above 0");
  refused(path("a"), "0.01", "leaves no step");
  refused(path("none"), "0.5", "no such file or folder");
  refused(written("words.png", "no picture"), "0.5", "words.png");
  refused(data() + "/test", "0.5", "has a \"scale\"");
  fs::create_directory(path("empty"));
  refused(path("empty"), "0.5", "holds no PNG or TIFF");
  fs::copy(path("b/00000.png"), path("a/larger.png"));
  refused(path("a"), "0.5", "96x96 pixels");
}

TEST_F(UserCommands, SynthesizeGivesASeedTheSameBytes) {
  for (const std::string out : {"a", "b"}) {
    const ProcessResult result = trainer(
        {"synthesize", "--out", path(out), "--per-label", "6", "--size", "16", "--seed", "3"});
    ASSERT_EQ(result.exit_code, 0) << result.output;
  }
  const std::vector<std::string> names = names_in(path("a"));
  EXPECT_EQ(names_in(path("b")), names);
  EXPECT_EQ(rows_of(path("a/train")).size(), 22u);
  EXPECT_EQ(rows_of(path("a/val")).size(), 22u);
  EXPECT_EQ(rows_of(path("a/test")).size(), 22u);
  for (const std::string& name : names) {
    if (fs::is_directory(path("a/" + name))) continue;
    EXPECT_TRUE(read_file(path("a/" + name)) == read_file(path("b/" + name))) << name;
  }
}

TEST_F(UserCommands, SynthesizeRefusesBadInput) {
  const auto refused = [this](std::vector<std::string> more, int exit_code,
                              const std::string& words) {
    more.insert(more.begin(), "synthesize");
    expect_refusal(more, exit_code, words);
  };
  refused({"--per-label", "6"}, kUsage, "--out is required");
  refused({"--out", path("a"), "--size", "big"}, kUsage, "--size");
  refused({"--out", path("a"), "--per-label", "5"}, kBadInput, "--per-label 5 must be 6 to 9999");
  refused({"--out", path("a"), "--size", "15"}, kBadInput, "--size 15 must be 16 to 4096");
  refused({"--out", data()}, kBadInput, "holds a data set already");
  refused({"--out", written("file", "")}, kBadInput, "is no folder");
}

TEST_F(UserCommands, EvaluateMeasuresTwoFoldersAndTheVaePass) {
  const auto evaluate = [this](const std::string& out, const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"evaluate",      "--real", data() + "/test", "--generated",
                                       data() + "/val", "--out",  path(out)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProcessResult result = trainer(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.output;
    return json::parse(read_file(path(out)));
  };
  const json plain = evaluate("plain.json", {});
  EXPECT_EQ(plain["n"], 22);
  EXPECT_GT(plain["kl_pooled"], 0);
  EXPECT_TRUE(plain["vae_pass"].is_null());
  const json first = evaluate("first.json", {"--model", model("1")});
  const json second = evaluate("second.json", {"--model", model("2")});
  EXPECT_GT(first["vae_pass"]["kl_pooled"], 0);
  EXPECT_NE(first["vae_pass"]["kl_pooled"], second["vae_pass"]["kl_pooled"]);
  EXPECT_TRUE(first["vae_pass"]["autocorrelation"]["1"].is_number());
  json without = first;
  without["vae_pass"] = nullptr;
  EXPECT_EQ(without, plain);  // the pass changes nothing else, the protocol's hash included
  EXPECT_EQ(evaluate("named.json", {"--protocol", "sar-v1"}), plain);
  EXPECT_NE(evaluate("mini.json", {"--protocol", "mini-v1"})["protocol_hash"],
            plain["protocol_hash"]);
  EXPECT_EQ(plain["glcm_windows"]["real"]["images"], 22);
}

TEST_F(UserCommands, EvaluateRefusesBadInput) {
  const std::string real = data() + "/test";
  const std::string generated = data() + "/val";
  const auto refused = [&](const std::string& left, const std::string& right,
                           const std::string& words, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"evaluate", "--real", left, "--generated", right});
    if (std::find(more.begin(), more.end(), "--out") == more.end()) {
      more.insert(more.end(), {"--out", path("result.json")});
    }
    expect_refusal(more, kBadInput, words);
  };
  expect_refusal({"evaluate", "--real", real, "--out", path("a.json")}, kUsage,
                 "--generated is required");
  refused(path("none"), generated, "no such folder");
  refused(real, data() + "/train/metadata.jsonl", "no such folder");
  refused(real, generated, "not a file in a folder that exists", {"--out", path("no/r.json")});
  refused(real, generated, "words.json", {"--protocol", written("words.json", "bins: 3")});
  refused(real, generated, "bins 1 must be a whole number from 2 to 65536",
          {"--protocol", written("bins.json", R"({"bins": 1})")});
  refused(real, generated, "nowhere", {"--model", path("nowhere")});
  refused(real, generated, "stretch can be undone",
          {"--model", model(), "--protocol",
           written("image.json", R"({"stretch": "mean3sigma", "stretch_scope": "image"})")});
  ASSERT_EQ(
      trainer({"synthesize", "--out", path("odd"), "--per-label", "6", "--size", "20"}).exit_code,
      0);
  refused(path("odd/test"), path("odd/val"), "takes multiples of 8", {"--model", model()});
}

json printed(const ProcessResult& result) {
  EXPECT_EQ(result.exit_code, 0) << result.output;
  return json::parse(result.output, nullptr, false);
}

TEST_F(UserCommands, SelftestNamesWhatItComparedAndHowNear) {
  const json report = printed(trainer({"selftest", "--device", "cpu", "--json"}));
  EXPECT_EQ(report["device"], "cpu");
  EXPECT_EQ(report["passed"], true);
  std::vector<std::string> names;
  for (const json& check : report["checks"]) {
    EXPECT_LE(check["error"].get<double>(), check["allowed"].get<double>());
    names.push_back(check["name"]);
  }
  for (const char* name : {"sum of squares", "UNet with LoRA: gradient", "text encoder 2: loss",
                           "VAE decoder: gradient against differences"}) {
    EXPECT_THAT(names, testing::Contains(name));
  }
  EXPECT_EQ(trainer({"selftest", "--device", "gpu"}).exit_code, kBadInput);
}

TEST_F(UserCommands, BenchTellsTheShareOfAPeakThatItIsGiven) {
  const std::vector<std::string> bench = {
      "bench",    "--updates", "1",
      "--warmup", "0",         "--device",
      "cpu",      "--vocab",   open_clip_vocabulary()->string()};
  const json unknown = printed(trainer(bench));
  EXPECT_TRUE(unknown["mfu"].is_null());
  EXPECT_TRUE(unknown["peak_tflops"].is_null());
  EXPECT_DOUBLE_EQ(unknown["tflops"].get<double>(), unknown["tflop_per_image"].get<double>() *
                                                        unknown["images_per_s"].get<double>());
  std::vector<std::string> lora = bench;
  for (const char* more : {"--mode", "lora", "--peak-tflops", "0.5"}) lora.emplace_back(more);
  const json known = printed(trainer(lora));
  EXPECT_DOUBLE_EQ(known["mfu"].get<double>(), known["tflops"].get<double>() / 0.5);
  EXPECT_LT(known["tflop_per_image"], unknown["tflop_per_image"]);
}

}  // namespace
}  // namespace sarsweep::tests
