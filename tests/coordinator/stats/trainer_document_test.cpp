// What the trainer writes is what the statistics read: for every metric that images add up to, the
// images' rows of a document come to the number that the trainer reports.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "coordinator/stats/bootstrap.h"
#include "schema/base/philox.h"
#include "tests/trainer/core/metrics/speckle.h"
#include "trainer/core/metrics/evaluation.h"
#include "trainer/core/metrics/flat_metrics.h"

namespace sarsweep::stats {
namespace {

using nlohmann::json;

constexpr std::size_t kItems = 28;
constexpr std::size_t kWidth = 4;  // of an embedding
const std::vector<std::string> kMetrics = {"kl_pooled",         "kl_label_mean",
                                           "jsd_pooled",        "wasserstein1_pooled",
                                           "saturation_real",   "saturation_generated",
                                           "glcm_distance",     "clip_rank",
                                           "clip_rank_strict",  "cosine",
                                           "kl_per_label/port", "kl_per_label/sea"};

// Ports, fields and a few seas, which are too few for a mean over labels.
std::string label_of(std::size_t item) { return item < 12 ? "port" : item < 24 ? "field" : "sea"; }

std::vector<float> embedding(std::uint64_t row) {
  const RandomStream random(9, "embedding", row);
  std::vector<float> out;
  for (std::size_t k = 0; k < kWidth; ++k) out.push_back(static_cast<float>(random.normal(k)));
  return out;
}

json document(const json& protocol) {
  trainer::EvaluationInput input;
  trainer::ClipEmbeddings clip{
      .judge = "j", .real = {}, .generated = {}, .text = {}, .caption = {}};
  for (std::size_t item = 0; item < kItems; ++item) {
    // Two items of a label may have the same caption, which then tie.
    clip.text.push_back(embedding(item % 5 == 1 ? item - 1 : item));
    for (std::uint64_t seed = 0; seed < 2; ++seed) {
      const std::uint64_t picture = 100 * (seed + 1) + item;
      input.pairs.push_back(
          {fmt::format("{}.png", item), label_of(item), static_cast<std::int64_t>(seed),
           trainer::rayleigh_image(24, 32, item, 1 + 0.02 * double(item)),
           trainer::smoothed_along_rows(trainer::rayleigh_image(24, 32, picture, 0.9))});
      clip.real.push_back(embedding(1000 + item));
      clip.generated.push_back(embedding(2000 + picture));
      clip.caption.push_back(item);
    }
  }
  input.stretch = trainer::make_stretch("mean3sigma", "dataset", 1.2533, 0.6551);
  input.protocol = protocol;
  input.clip = clip;
  return trainer::evaluate(input);
}

TEST(TrainerDocument, HasTheRowsThatItsNumbersAreMadeOf) {
  for (const char* ties : {"mid", "strict", "pessimistic"}) {
    for (const char* smoothing : {"eps", "half"}) {
      const json written = document({{"hash", "h"}, {"rank_ties", ties}, {"smoothing", smoothing}});
      const json flat = trainer::flat_metrics(written, "eval");
      const JudgedRun run = read_result(written).value();
      EXPECT_EQ(run.images.size(), kItems);
      EXPECT_EQ(run.floor.at("glcm_distance"), written["floor"]["glcm_distance"]);
      std::vector<Statistic> statistics;
      for (const std::string& metric : kMetrics) {
        statistics.push_back(statistic_of(metric).value());
      }
      const auto made = resample(run, Resampling(run.images, 20), statistics);
      for (std::size_t k = 0; k < kMetrics.size(); ++k) {
        ASSERT_TRUE(made[k].has_value()) << kMetrics[k];
        const bool label = kMetrics[k].starts_with("kl_per_label/");
        const double reported = label
                                    ? written["kl_per_label"][kMetrics[k].substr(13)].get<double>()
                                    : flat["eval/" + kMetrics[k]].get<double>();
        EXPECT_TRUE(alike(made[k]->estimate, reported))
            << kMetrics[k] << ": " << made[k]->estimate << ", reported " << reported;
      }
    }
  }
}

TEST(TrainerDocument, WithoutAJudgeHasNoRanks) {
  json written = document({{"hash", "h"}});
  for (json& row : written["images"]) {
    for (const char* key : {"rank_strict", "rank_mid", "cosine"}) row[key] = nullptr;
  }
  const JudgedRun run = read_result(written).value();
  const auto made =
      resample(run, Resampling(run.images, 20),
               {statistic_of("clip_rank").value(), statistic_of("kl_pooled").value()});
  EXPECT_FALSE(made[0].has_value());
  EXPECT_TRUE(made[1].has_value());
}

}  // namespace
}  // namespace sarsweep::stats
