#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace sarsweep::trainer {

// What one update did, for the curves.
struct UpdateReport {
  double loss = 0, grad_norm = 0;  // norm before clipping
  bool finite = true;              // false: the update was skipped
  std::vector<double> image_losses;
  std::vector<std::int64_t> timesteps;           // per image, [0, 1000); empty where there are none
  std::map<std::string, double> learning_rates;  // by group
  // Further losses by name, of the images that have them: "rayleigh", "rayleigh_pixel_gradient", …
  std::map<std::string, std::vector<double>> terms;
  std::vector<std::string> images;  // file names, for the warning about a skipped update
};

// Sums over the updates since the last point of the curves. Its JSON is part of a checkpoint, so
// that a resumed run draws the very same points.
class TrainingWindow {
 public:
  void add(const UpdateReport& report);
  // The curve's values {"train/loss": …, "train/loss_t0": …, "train/rayleigh": …} over the window,
  // which is then emptied.
  nlohmann::json take();

  nlohmann::json to_json() const;
  static TrainingWindow from_json(const nlohmann::json& json);

 private:
  static constexpr int kBins = 10;  // deciles of the timestep
  double loss_ = 0, grad_norm_ = 0;
  std::int64_t updates_ = 0;
  std::array<double, kBins> bin_loss_{};
  std::array<std::int64_t, kBins> bin_count_{};
  std::map<std::string, double> learning_rates_;
  std::map<std::string, std::pair<double, std::int64_t>> terms_;  // sum, images
};

// The distance between points of the curves, in updates: about 200 points a run, a function of the
// run's length alone.
long log_interval(long total_updates);

}  // namespace sarsweep::trainer
