// The fast sums of the bootstrap against the same thing written out, and what must not matter.
#include "coordinator/stats/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>

#include "coordinator/stats/interval.h"
#include "schema/base/error.h"
#include "tests/coordinator/stats/results.h"

namespace sarsweep::stats {
namespace {

using nlohmann::json;

constexpr std::size_t kFewReplicates = 200;
const std::vector<std::string> kMetrics = {
    "kl_pooled",       "kl_label_mean",        "jsd_pooled",           "wasserstein1_pooled",
    "saturation_real", "saturation_generated", "kl_per_label/label 1", "clip_rank",
    "glcm_distance"};

std::vector<Statistic> statistics() {
  std::vector<Statistic> out;
  for (const std::string& metric : kMetrics) out.push_back(statistic_of(metric).value());
  return out;
}

using Histogram = std::vector<double>;

double kl_of(const Histogram& real, const Histogram& generated) {  // smoothing: half
  double n = 0;
  double m = 0;
  for (std::size_t k = 0; k < real.size(); ++k) {
    n += real[k] + 0.5;
    m += generated[k] + 0.5;
  }
  double sum = 0;
  for (std::size_t k = 0; k < real.size(); ++k) {
    const double p = (real[k] + 0.5) / n;
    sum += p * std::log(p * m / (generated[k] + 0.5));
  }
  return sum;
}

// The textures of a label: a value of each image, NaN where it has none, and the weights.
struct Values {
  std::vector<double> values, weights;
  double mean(int power, double centre) const {
    double sum = 0;
    double weight = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (std::isnan(values[i])) continue;
      sum += weights[i] * std::pow(values[i] - centre, power);
      weight += weights[i];
    }
    return sum / weight;
  }
};

// |generated - real| / SD of the real ones, the mean over labels, features and offsets that vary.
double texture_distance(const json& document, const JudgedRun& run,
                        const std::vector<double>& weights) {
  std::map<std::string, std::array<Values, 2>> table;  // by label, feature and offset
  for (const json& row : document["images"]) {
    const std::string label = row["label"];
    const double weight = weights[run.images.index({label, row["file_name"]})];
    for (const auto& [feature, sides] : row["glcm_values"].items()) {
      for (int k = 0; k < 2; ++k) {  // the third does not vary
        for (int side = 0; side < 2; ++side) {
          const json& values = sides[side == 0 ? "real" : "generated"];
          Values& of = table[label + feature + std::to_string(k)][side];
          of.values.push_back(values.is_null() ? NAN : values[k].get<double>());
          of.weights.push_back(weight);
        }
      }
    }
  }
  double sum = 0;
  for (const auto& [key, sides] : table) {
    const double real = sides[0].mean(1, 0);
    sum += std::abs(sides[1].mean(1, 0) - real) / std::sqrt(sides[0].mean(2, real));
  }
  return sum / static_cast<double>(table.size());
}

// A run of some images, each with a weight, in plain loops.
struct Plain {
  std::map<std::string, Histogram> real, generated;  // by label; "" pooled
  double saturated_real = 0, saturated_generated = 0, ranks = 0, pictures = 0, texture;

  Plain(const json& document, const JudgedRun& run, const std::vector<double>& weights)
      : texture(texture_distance(document, run, weights)) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      for (const std::string& label : {std::string(), run.images.images()[i].label}) {
        real[label].resize(run.bins);
        generated[label].resize(run.bins);
        for (std::size_t k = 0; k < run.bins; ++k) {
          real[label][k] += weights[i] * run.counts[2 * i * run.bins + k];
          generated[label][k] += weights[i] * run.counts[(2 * i + 1) * run.bins + k];
        }
      }
      saturated_real += weights[i] * run.saturated_real[i];
      saturated_generated += weights[i] * run.saturated_generated[i];
      ranks += weights[i] * run.numbers.at("rank_mid")[i];
      pictures += weights[i] * run.pictures[i];
    }
  }

  static double sum(const Histogram& counts) {
    double total = 0;
    for (const double count : counts) total += count;
    return total;
  }

  double jsd() const {
    const double n = sum(real.at(""));
    const double m = sum(generated.at(""));
    double out = 0;
    for (std::size_t k = 0; k < real.at("").size(); ++k) {
      const double p = real.at("")[k] / n;
      const double q = generated.at("")[k] / m;
      if (p > 0) out += p * std::log(2 * p / (p + q)) / 2;
      if (q > 0) out += q * std::log(2 * q / (p + q)) / 2;
    }
    return out;
  }

  double wasserstein1() const {
    double below = 0;
    double area = 0;
    for (std::size_t k = 0; k < real.at("").size(); ++k) {
      below += real.at("")[k] / sum(real.at("")) - generated.at("")[k] / sum(generated.at(""));
      area += std::abs(below);
    }
    return area / static_cast<double>(real.at("").size());
  }

  std::vector<double> values() const {
    double labels = 0;
    for (const auto& [label, counts] : real) {
      if (!label.empty()) labels += kl_of(counts, generated.at(label)) / double(real.size() - 1);
    }
    return {kl_of(real.at(""), generated.at("")),
            labels,
            jsd(),
            wasserstein1(),
            saturated_real / (saturated_real + sum(real.at(""))),
            saturated_generated / (saturated_generated + sum(generated.at(""))),
            kl_of(real.at("label 1"), generated.at("label 1")),
            ranks / pictures,
            texture};
  }
};

// With the pooled divergence that its own histograms have, smoothed by halves.
JudgedRun run_of(const json& document) {
  JudgedRun run = read_result(document).value();
  run.reported["kl_pooled"] =
      Plain(document, run, std::vector<double>(run.images.size(), 1)).values().front();
  return run;
}

std::vector<double> weights_of(const Resampling& resampling, std::size_t replicate) {
  std::vector<double> weights(resampling.images().size());
  for (std::size_t s = 0; s < resampling.images().strata().size(); ++s) {
    for (const std::uint32_t i : resampling.drawn(replicate, s)) weights[i] += resampling.weight(s);
  }
  return weights;
}

TEST(Bootstrap, IsTheStatisticOfEachReplicatesImages) {
  for (const ResultShape& shape : {ResultShape{}, ResultShape{.bins = 33, .pictures = 2}}) {
    const json document = result_document(1, shape);
    const JudgedRun run = run_of(document);
    const Resampling resampling(run.images, kFewReplicates);
    const auto made = resample(run, resampling, statistics());
    const auto whole = Plain(document, run, std::vector<double>(run.images.size(), 1)).values();
    for (std::size_t b = 0; b < kFewReplicates; ++b) {
      const auto expected = Plain(document, run, weights_of(resampling, b)).values();
      for (std::size_t k = 0; k < kMetrics.size(); ++k) {
        ASSERT_TRUE(made[k].has_value()) << kMetrics[k];
        EXPECT_NEAR(made[k]->estimate, whole[k], 1e-12 * std::abs(whole[k])) << kMetrics[k];
        const double difference = expected[k] - whole[k];
        EXPECT_NEAR(made[k]->replicates[b], difference,
                    1e-6 * std::abs(difference) + 1e-12 * std::abs(whole[k]))
            << kMetrics[k];
      }
    }
  }
}

TEST(Bootstrap, InfluenceIsTheSlopeInAnImagesWeight) {
  const json document = result_document(1, {.labels = 3, .per_label = 40});
  const JudgedRun run = run_of(document);
  const auto made = resample(run, Resampling(run.images, 1), statistics());
  for (std::size_t i = 0; i < run.images.size(); i += 17) {
    std::vector<double> more(run.images.size(), 1);
    std::vector<double> less = more;
    more[i] += 1e-3;
    less[i] -= 1e-3;
    const auto high = Plain(document, run, more).values();
    const auto low = Plain(document, run, less).values();
    for (std::size_t k = 0; k < kMetrics.size(); ++k) {
      const double slope = (high[k] - low[k]) / 2e-3;
      double size = 0;
      for (const float each : made[k]->influence) size = std::max<double>(size, std::abs(each));
      EXPECT_NEAR(made[k]->influence[i], slope, 0.2 * size) << kMetrics[k];
    }
  }
}

TEST(Bootstrap, OrderOfRowsAndOfLabelsDoesNotMatter) {
  json document = result_document(1);
  const JudgedRun run = run_of(document);
  const auto made = resample(run, Resampling(run.images, kFewReplicates), statistics());
  const RandomStream random(1, "order", 0);
  json& rows = document["images"];
  for (std::size_t i = rows.size(); i > 1; --i) std::swap(rows[i - 1], rows[random.below(i, i)]);
  const JudgedRun again = run_of(document);
  EXPECT_EQ(again.images, run.images);
  const auto remade = resample(again, Resampling(again.images, kFewReplicates), statistics());
  for (std::size_t k = 0; k < kMetrics.size(); ++k) {
    EXPECT_EQ(remade[k]->replicates, made[k]->replicates) << kMetrics[k];
    EXPECT_EQ(remade[k]->influence, made[k]->influence) << kMetrics[k];
  }
}

TEST(Bootstrap, ManyPixelsAreSummedAsExactlyAsFew) {
  json document = result_document(1);
  const JudgedRun run = run_of(document);
  for (json& row : document["images"]) {
    for (const char* side : {"histogram_real", "histogram_generated"}) {
      for (json& count : row[side]) count = count.get<std::int64_t>() * 4'000'000;
    }
  }
  JudgedRun large = read_result(document).value();
  const Resampling resampling(run.images, kFewReplicates);
  const std::vector<Statistic> jsd = {statistic_of("jsd_pooled").value()};
  const auto a = resample(run, resampling, jsd).front().value();
  const auto b = resample(large, resampling, jsd).front().value();
  EXPECT_NEAR(a.estimate, b.estimate, 1e-14);
  for (std::size_t i = 0; i < kFewReplicates; ++i) {
    EXPECT_NEAR(a.replicates[i], b.replicates[i], 1e-9);
  }
}

TEST(Bootstrap, LeavesOutWhatTheDocumentDoesNotHold) {
  json document = result_document(1);
  document["images"][3].erase("rank_mid");
  document["images"][3]["histogram_real"] = nullptr;
  for (json& row : document["images"]) row.erase("glcm_values");
  const JudgedRun run = read_result(document).value();
  const Resampling resampling(run.images, 10);
  for (const auto& made : resample(run, resampling, statistics())) EXPECT_FALSE(made.has_value());
  JudgedRun other = read_result(result_document(1)).value();
  other.reported["kl_pooled"] = 0.5;  // what neither smoothing gives
  EXPECT_FALSE(smoothing_of(other).has_value());
  const auto some = resample(other, Resampling(other.images, 10), statistics());
  EXPECT_FALSE(some[0].has_value());
  EXPECT_TRUE(some[2].has_value()) << "that divergence is not smoothed";
}

TEST(Resampling, DrawsOneFewerOfEachLabelAlwaysAlike) {
  const ImageSet images = read_result(result_document(1)).value().images;
  const Resampling resampling(images, 500);
  std::vector<double> times(images.size());
  for (std::size_t b = 0; b < 500; ++b) {
    for (std::size_t s = 0; s < images.strata().size(); ++s) {
      const auto& stratum = images.strata()[s];
      const auto drawn = resampling.drawn(b, s);
      EXPECT_EQ(drawn.size(), stratum.size() - 1);
      for (const std::uint32_t i : drawn) {
        EXPECT_GE(i, stratum.begin);
        EXPECT_LT(i, stratum.end);
        times[i] += resampling.weight(s) / 500;
      }
    }
  }
  for (const double mean : times) EXPECT_NEAR(mean, 1, 5 * std::sqrt(1.0 / 500));
  const auto first = resampling.drawn(0, 1);
  const std::vector<std::uint32_t> golden(first.begin(), first.begin() + 5);
  EXPECT_EQ(golden, (std::vector<std::uint32_t>{22, 23, 19, 15, 21}));
}

TEST(ImageSet, PutsLabelsOfOneImageTogether) {
  const ImageSet images({{"b", "2"}, {"c", "x"}, {"a", "y"}, {"b", "1"}});
  ASSERT_EQ(images.strata().size(), 2U);
  EXPECT_EQ(images.strata()[0], (ImageSet::Stratum{"b", 0, 2}));
  EXPECT_EQ(images.strata()[1], (ImageSet::Stratum{"", 2, 4}));
  EXPECT_EQ(images.index({"c", "x"}), 3U);
  EXPECT_THROW(images.index({"c", "y"}), Error);
  EXPECT_THROW(ImageSet({{"a", "1"}, {"a", "1"}}), Error);
  EXPECT_NE(images.digest(), ImageSet({{"b", "2"}, {"c", "x"}, {"a", "y"}, {"b", "11"}}).digest());
  EXPECT_TRUE(ImageSet(std::vector<ImageName>{}).strata().empty());
}

TEST(JudgedRun, RefusesRowsThatCannotBe) {
  const json good = result_document(1);
  const auto refusal = [&](const std::function<void(json&)>& damage) -> std::string {
    json bad = good;
    damage(bad);
    try {
      read_result(bad);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal([](json&) {}), "");
  EXPECT_NE(refusal([](json& d) { d["images"][0] = 3; }), "");
  EXPECT_NE(refusal([](json& d) { d["images"][0].erase("label"); }), "");
  EXPECT_NE(refusal([](json& d) { d["images"][0]["histogram_real"][0] = -1; }), "");
  EXPECT_NE(refusal([](json& d) { d["images"][0]["histogram_real"][0] = 1.5; }), "");
  EXPECT_NE(refusal([](json& d) { d["images"][0]["histogram_real"].push_back(1); }), "");
  EXPECT_NE(refusal([](json& d) { d["images"][0]["saturation_real"] = 1.5; }), "");
  EXPECT_NE(refusal([](json& d) { d = json::array(); }), "");
  EXPECT_FALSE(read_result({{"n", 3}}).has_value());
  EXPECT_FALSE(read_result({{"images", json::array()}}).has_value());
}

TEST(JudgedRun, SumsThePicturesOfAnImage) {
  const JudgedRun one = read_result(result_document(1)).value();
  const JudgedRun two = read_result(result_document(1, {.pictures = 2})).value();
  EXPECT_EQ(one.images, two.images);
  EXPECT_EQ(two.pictures.front(), 2);
  EXPECT_EQ(one.floor.at("kl_pooled"), 0.004);
}

TEST(JudgedRun, CountsSaturatedPixelsFromTheirShare) {
  json document = result_document(1, {.labels = 1, .per_label = 2, .bins = 2});
  json& rows = document["images"];
  for (json& row : rows) {
    row["histogram_real"] = {60, 15};
    row["histogram_generated"] = {0, 0};
    row["saturation_real"] = 0.25;
    row["saturation_generated"] = 1;
  }
  const JudgedRun run = read_result(document).value();
  EXPECT_EQ(run.saturated_real.front(), 25);
  EXPECT_EQ(run.saturated_generated.front(), 100) << "as many as other pictures have pixels";
}

}  // namespace
}  // namespace sarsweep::stats
