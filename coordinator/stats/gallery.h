#pragma once

#include <cstddef>
#include <vector>

#include "coordinator/stats/divergence.h"
#include "coordinator/stats/judged_run.h"
#include "coordinator/stats/pixel_counts.h"
#include "coordinator/stats/statistic.h"

namespace sarsweep::stats {

// Sums over images of all but their histograms.
struct Sums {
  double pictures = 0;
  double real = 0, generated = 0;  // pixels that are not saturated
  double saturated_real = 0, saturated_generated = 0;
  std::vector<double> numbers;  // a place for each statistic
  void add(const Sums& other, double weight);
};

// What histograms and textures come to. NaN, or empty, where it is not needed.
struct Divergences {
  double kl, jsd, wasserstein1, texture;
  std::vector<double> label_kl;  // by stratum
  Divergences();
};

// Which of them the statistics ask for.
struct Needs {
  bool kl = false, jsd = false, wasserstein1 = false, label_kl = false, texture = false;
  bool counts() const { return kl || jsd || wasserstein1 || label_kl; }
};

// A run's images, and its statistics as functions of them. Holds references. Pure.
class Gallery {
 public:
  Gallery(const JudgedRun& run, std::vector<Statistic> statistics, Smoothing smoothing);

  const JudgedRun& run() const { return run_; }
  const std::vector<ImageSet::Stratum>& strata() const { return run_.images.strata(); }
  Smoothing smoothing() const { return smoothing_; }
  const Needs& needs() const { return needs_; }
  Sums none() const;
  const Sums& image(std::size_t i) const { return images_[i]; }

  // A value for each statistic, NaN for what is not there.
  std::vector<double> values(const Sums& pooled, const Divergences& divergences) const;
  // Of every image once.
  std::vector<double> values() const;
  // Of textures that are summed up by stratum.
  double texture_distance(const std::vector<Textures::Sums>& sums) const;
  // How statistic k depends on each image (bootstrap.h).
  std::vector<double> influence(std::size_t k) const;

 private:
  double pooled_value(std::size_t k, const Sums& sums, const Divergences& divergences) const;
  double label_value(const Statistic& statistic, const std::vector<double>& label_kl) const;
  double without(std::size_t k, std::size_t i, std::size_t s) const;
  double texture_without(std::size_t i, std::size_t s) const;
  Divergences divergences_of(const Sums& pooled, const std::vector<double>& counts,
                             const Needs& needs) const;

  const JudgedRun& run_;
  std::vector<Statistic> statistics_;
  Smoothing smoothing_;
  Needs needs_;
  std::vector<const std::vector<double>*> numbers_;  // of each statistic; nullptr: none
  std::vector<Sums> images_;
  std::vector<Sums> parts_;                  // by stratum
  std::vector<std::vector<double>> counts_;  // by stratum: real side, then the generated one
  std::vector<Textures::Sums> textures_;     // by stratum
  Sums pooled_;
  std::vector<double> pooled_counts_;
  Divergences divergences_;
};

}  // namespace sarsweep::stats
