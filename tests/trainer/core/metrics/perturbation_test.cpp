// Each metric reacts to the damage it is meant to see and to no other: 110 synthetic pictures stand
// for both sides, then the generated side is damaged in one way at a time.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

#include "schema/base/philox.h"
#include "tests/trainer/core/metrics/speckle.h"
#include "trainer/core/metrics/evaluation.h"
#include "trainer/core/metrics/flat_metrics.h"
#include "trainer/core/synthetic/synthetic_set.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr int kPerLabel = 10;

ClipEmbeddings faithful_embeddings(std::size_t pairs) {
  const RandomStream random(6, "test", 0);
  ClipEmbeddings embeddings{
      .judge = "judge", .real = {}, .generated = {}, .text = {}, .caption = {}};
  std::uint64_t drawn = 0;
  for (std::size_t i = 0; i < pairs; ++i) {
    std::vector<float> text;
    std::vector<float> picture;
    for (int k = 0; k < 64; ++k) {
      text.push_back(static_cast<float>(random.normal(drawn++)));
      picture.push_back(text.back() + static_cast<float>(0.5 * random.normal(drawn++)));
    }
    embeddings.text.push_back(text);
    embeddings.real.push_back(picture);
    embeddings.generated.push_back(picture);
    embeddings.caption.push_back(i);
  }
  return embeddings;
}

EvaluationInput undamaged() {
  EvaluationInput input;
  std::vector<const AmplitudeImage*> images;
  for (const synthetic::SceneKind& kind : synthetic::scene_kinds()) {
    for (std::uint64_t i = 0; i < kPerLabel; ++i) {
      AmplitudeImage image = synthetic::synthetic_image(kind, 64, 3, i).amplitude;
      input.pairs.push_back(
          {fmt::format("{}-{}", kind.label, i), std::string(kind.label), 0, image, image});
    }
  }
  for (const EvaluationPair& pair : input.pairs) images.push_back(&pair.real);
  input.protocol = {{"smoothing", "half"}, {"bits", 16}, {"clip", "judge"}};
  input.stretch = protocol_stretch(input.protocol, images);
  input.clip = faithful_embeddings(input.pairs.size());
  return input;
}

template <typename Damage>
EvaluationInput each_picture(Damage&& damage) {
  EvaluationInput input = undamaged();
  for (std::size_t i = 0; i < input.pairs.size(); ++i) {
    input.pairs[i].generated = damage(input.pairs[i].generated, i);
  }
  return input;
}

EvaluationInput darker() {
  return each_picture([](AmplitudeImage image, std::size_t) {
    for (float& pixel : image.pixels) pixel *= 0.8F;
    return image;
  });
}
EvaluationInput averaged() {
  return each_picture(
      [](const AmplitudeImage& image, std::size_t) { return box_mean(image, 1, 1); });
}
EvaluationInput scattered() {
  return each_picture(
      [](const AmplitudeImage& image, std::size_t i) { return shuffled(image, i); });
}
EvaluationInput rotated() {
  return each_picture([](const AmplitudeImage& image, std::size_t) { return turned(image); });
}
EvaluationInput other_captions() {
  EvaluationInput input = undamaged();
  const RandomStream random(6, "captions", 0);
  std::vector<std::size_t>& captions = input.clip->caption;
  for (std::size_t i = captions.size(); i > 1; --i) {
    std::swap(captions[i - 1], captions[random.below(i, i)]);
  }
  return input;
}
// The pictures of every label are made for the captions of the next.
EvaluationInput other_labels() {
  EvaluationInput input = undamaged();
  const std::size_t n = input.pairs.size();
  const EvaluationInput before = input;
  for (std::size_t i = 0; i < n; ++i) {
    input.pairs[i].generated = before.pairs[(i + kPerLabel) % n].generated;
    input.clip->generated[i] = before.clip->generated[(i + kPerLabel) % n];
  }
  return input;
}

// What a row of the table is about: a number of the flat metrics, or one of the texture.
double value_of(const json& result, const std::string& metric) {
  if (metric.starts_with("glcm ")) {
    const std::string feature = metric.substr(5, metric.find(' ', 5) - 5);
    const std::string key = metric.substr(6 + feature.size());
    double sum = 0;
    for (const auto& [label, table] : result["glcm"].items()) {
      sum += table[feature][key]["generated"].get<double>();
    }
    return sum / static_cast<double>(result["glcm"].size());
  }
  if (metric.starts_with("spectrum ")) {
    return result["spectrum_generated"][std::stoi(metric.substr(9))].get<double>();
  }
  return flat_metrics(result, "").at("/" + metric).get<double>();
}

// s: still, up, down, *: moves either way.
struct Row {
  const char* metric;
  const char* darker;
  const char* averaged;
  const char* scattered;
  const char* rotated;
  const char* captions;
  const char* labels;
};

constexpr Row kTable[] = {
    // metric                    gain    3x3     shuffle turn    captions labels
    {"kl_pooled", "up", "up", "s", "s", "s", "s"},
    {"jsd_pooled", "up", "up", "s", "s", "s", "s"},
    {"wasserstein1_pooled", "up", "up", "s", "s", "s", "s"},
    {"saturation_generated", "down", "down", "s", "s", "s", "s"},
    {"kl_label_mean", "up", "up", "s", "s", "s", "up"},
    {"autocorrelation_generated_1", "s", "up", "down", "s", "s", "s"},
    {"autocorrelation_generated_4", "s", "up", "down", "s", "s", "s"},
    {"enl_generated_amplitude", "s", "up", "*", "s", "s", "s"},
    {"enl_generated_intensity", "s", "up", "*", "s", "s", "s"},
    {"spectrum 0", "s", "up", "down", "s", "s", "s"},
    {"spectrum 31", "s", "down", "up", "s", "s", "s"},
    {"glcm contrast 1,0", "down", "down", "up", "*", "s", "s"},
    {"glcm homogeneity 1,0", "up", "up", "down", "*", "s", "s"},
    {"glcm correlation 1,0", "*", "up", "down", "*", "s", "s"},
    {"glcm entropy 1,0", "down", "down", "up", "*", "s", "s"},
    {"glcm_distance", "up", "up", "up", "up", "s", "up"},
    {"clip_rank", "s", "s", "s", "s", "up", "up"},
    {"cosine", "s", "s", "s", "s", "down", "down"},
    {"saturation_real", "s", "s", "s", "s", "s", "s"},
    {"autocorrelation_real_1", "s", "s", "s", "s", "s", "s"},
    {"enl_real_intensity", "s", "s", "s", "s", "s", "s"},
    {"floor_kl_pooled", "s", "s", "s", "s", "s", "s"},
    {"floor_glcm_distance", "s", "s", "s", "s", "s", "s"},
    {"cosine_real", "s", "s", "s", "s", "down", "s"},
};

void expect_moves(const json& before, const json& after, const Row& row,
                  const std::string& expected, const std::string& damage) {
  const double was = value_of(before, row.metric);
  const double is = value_of(after, row.metric);
  const std::string what = fmt::format("{} of {}: {} -> {}", damage, row.metric, was, is);
  constexpr double kStill = 1e-6;  // a gain of 0.8 rounds pixels
  const double least = 1e-3 * std::abs(was) + 1e-4;
  if (expected == "s") {
    EXPECT_NEAR(is, was, kStill * (std::abs(was) + 1)) << what;
  } else if (expected == "up") {
    EXPECT_GT(is, was + least) << what;
  } else if (expected == "down") {
    EXPECT_LT(is, was - least) << what;
  } else {
    EXPECT_GT(std::abs(is - was), least) << what;
  }
}

void expect_no_texture(const json& shuffled_result) {
  EXPECT_EQ(shuffled_result["kl_pooled"], 0.0);
  EXPECT_NEAR(value_of(shuffled_result, "glcm correlation 1,0"), 0, 0.01);
  EXPECT_NEAR(value_of(shuffled_result, "autocorrelation_generated_1"), 0, 0.01);
  for (const json& power : shuffled_result["spectrum_generated"]) {
    EXPECT_NEAR(power.get<double>(), 1, 0.2);
  }
}

void expect_swapped_angles(const json& before, const json& turned_result) {
  for (const char* feature : {"contrast", "homogeneity", "correlation", "entropy"}) {
    for (const int distance : {1, 2, 4, 8}) {
      for (const auto& [angle, becomes] : {std::pair(0, 90), {90, 0}, {45, 135}, {135, 45}}) {
        const double was = value_of(before, fmt::format("glcm {} {},{}", feature, distance, angle));
        const double is =
            value_of(turned_result, fmt::format("glcm {} {},{}", feature, distance, becomes));
        EXPECT_NEAR(is, was, 1e-12 * std::abs(was)) << feature << distance << "," << angle;
      }
    }
  }
}

TEST(Perturbations, MoveTheMetricsThatSeeThemAndNoOther) {
  const json before = evaluate(undamaged());
  EXPECT_EQ(before["kl_pooled"], 0.0);
  EXPECT_EQ(before["glcm_distance"], 0.0);
  EXPECT_LT(value_of(before, "clip_rank"), 1.01);
  struct Damage {
    const char* name;
    EvaluationInput (*make)();
    const char* Row::*expected;
  };
  std::map<std::string, json> results;
  for (const Damage& damage :
       {Damage{"gain", darker, &Row::darker}, Damage{"mean", averaged, &Row::averaged},
        Damage{"shuffle", scattered, &Row::scattered}, Damage{"turn", rotated, &Row::rotated},
        Damage{"captions", other_captions, &Row::captions},
        Damage{"labels", other_labels, &Row::labels}}) {
    const json& after = results[damage.name] = evaluate(damage.make());
    for (const Row& row : kTable) {
      expect_moves(before, after, row, row.*damage.expected, damage.name);
    }
  }
  expect_no_texture(results["shuffle"]);
  expect_swapped_angles(before, results["turn"]);
  EXPECT_NEAR(value_of(results["captions"], "clip_rank"), 8.5, 0.9);
}

TEST(Perturbations, TheResultDoesNotDependOnThreads) {
  EvaluationInput input = averaged();
  const std::string one = evaluate(input).dump();
  input.threads = 3;
  EXPECT_EQ(evaluate(input).dump(), one);
}

}  // namespace
}  // namespace sarsweep::trainer
