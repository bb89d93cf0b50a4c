#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "coordinator/stats/divergence.h"
#include "coordinator/stats/judged_run.h"
#include "coordinator/stats/statistic.h"
#include "tests/statistics/speckle.h"

namespace sarsweep::statistics {

// kl_pooled, kl_label_mean, wasserstein1_pooled, saturation_generated, clip_rank, contrast, which
// is a mean over images like those of the GLCM, and glcm_distance.
const std::vector<std::string>& metric_names();
stats::Statistic statistic(const std::string& metric);

// How images, models and trainings of the simulated world differ.
struct WorldOptions {
  double gain = 0.3;  // SD of an image's log-gain, on either side
  std::size_t per_label = 30;
  double pixels = 1 << 20;  // of an image
  bool shot_noise = false;  // counts are drawn; else they are the expected ones
  stats::Smoothing smoothing = stats::Smoothing::eps;
  double training = 0.05;       // SD of what a training seed adds to the log-gain of its pictures
  std::size_t judged = 40'000;  // pictures of the population by which the true CLIP rank is found
  std::vector<std::string> metrics = metric_names();
};

// A configuration, by what it adds to the error of the first one.
struct Model {
  double shift = 0;    // of the log-gain of its pictures
  double quality = 0;  // log of the noise of their embeddings
};

// Eleven labels of SAR images. Real ones are one-look speckle over texture; generated ones are
// darker, by label as far as the pooled divergences of Table 8 of arXiv 2506.13307 (whale-north-8)
// say. Prompts are common to all models: 0.6 of the variance of a generated picture's gain, and of
// its embedding's noise, is its prompt's. Everything is a function of the study's number.
class World {
 public:
  explicit World(const WorldOptions& options);

  // What a training seed of a study adds to the log-gain; normal with the SD of the options.
  double training(std::uint64_t study, std::uint64_t model, std::uint64_t seed) const;
  // `model` names the stream of the pictures, `seed` the training.
  stats::JudgedRun judge(std::uint64_t study, std::uint64_t model, std::uint64_t seed,
                         const Model& what) const;
  // The metric over infinitely many images, of one training.
  double truth(const std::string& metric, const Model& what, double training) const;
  const WorldOptions& options() const { return options_; }

 private:
  WorldOptions options_;
  stats::ImageSet images_;
  std::vector<Speckle> speckle_;      // by label
  std::vector<double> real_, error_;  // log-gains by label: of the real side, and what is added
};

// What the metrics are in truth, tabulated over trainings.
class Truth {
 public:
  Truth(const World& world, const Model& what);
  double of_training(const std::string& metric, double training) const;
  double mean(const std::string& metric) const;  // over all trainings

 private:
  double reach_;  // of the table, to either side
  std::map<std::string, std::vector<double>> values_;
};

}  // namespace sarsweep::statistics
