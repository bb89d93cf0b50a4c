#include "trainer/core/metrics/flat_metrics.h"

#include <gtest/gtest.h>

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

TEST(FlatMetrics, AreTheNumbersOfTheTopLevelAndOfNamedTables) {
  const json result = {
      {"n", 3},
      {"kl_pooled", 0.5},
      {"kl_label_mean", nullptr},
      {"protocol_hash", "h"},
      {"glcm_distance", 0.25},
      {"floor", {{"kl_pooled", 0.01}, {"glcm_distance", nullptr}, {"splits", 16}}},
      {"autocorrelation_real", {{"1", 0.5}, {"4", 0.25}}},
      {"enl_generated", {{"amplitude", 3.5}, {"intensity", 1.0}, {"images", 3}}},
      {"vae_pass", {{"kl_pooled", 0.125}, {"autocorrelation", {{"1", 0.75}, {"4", 0.5}}}}},
      {"clip_rank", {{"mean", 2.5}, {"expected_mean", 2.25}, {"strict_mean", 2.0}, {"pool", 16}}},
      {"cosine", {{"ship", {{"real", 0.5}, {"generated", 0.25}}}}},
      {"cosine_mean", {{"real", 0.5}, {"generated", 0.25}}},
      {"images", json::array({{{"kl", 1}}})}};
  EXPECT_EQ(flat_metrics(result, "eval"), json({{"eval/n", 3},
                                                {"eval/kl_pooled", 0.5},
                                                {"eval/glcm_distance", 0.25},
                                                {"eval/floor_kl_pooled", 0.01},
                                                {"eval/autocorrelation_real_1", 0.5},
                                                {"eval/autocorrelation_real_4", 0.25},
                                                {"eval/enl_generated_amplitude", 3.5},
                                                {"eval/enl_generated_intensity", 1.0},
                                                {"eval/vae_pass_kl_pooled", 0.125},
                                                {"eval/vae_pass_autocorrelation_1", 0.75},
                                                {"eval/vae_pass_autocorrelation_4", 0.5},
                                                {"eval/clip_rank", 2.25},
                                                {"eval/clip_rank_strict", 2.0},
                                                {"eval/cosine", 0.25},
                                                {"eval/cosine_real", 0.5}}));
}

TEST(FlatMetrics, LeaveOutWhatIsNull) {
  const json result = {{"kl_pooled", nullptr}, {"clip_rank", nullptr}, {"vae_pass", nullptr}};
  EXPECT_EQ(flat_metrics(result, "eval_val"), json::object());
}

}  // namespace
}  // namespace sarsweep::trainer
