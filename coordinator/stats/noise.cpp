#include "coordinator/stats/noise.h"

#include <algorithm>
#include <cmath>

namespace sarsweep::stats {
namespace {

double variance_of(const std::vector<double>& values) {
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size() - 1);
}

double squared_length(const std::vector<float>& vector) {
  double sum = 0;
  for (const float value : vector) sum += double{value} * value;
  return sum;
}

std::vector<double> mean_vector(const Seeds& group) {
  std::vector<double> mean(group.noise.front().size());
  for (const std::vector<float>& vector : group.noise) {
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += vector[i];
  }
  for (double& value : mean) value /= static_cast<double>(group.noise.size());
  return mean;
}

// Squared length of a - b; of a where b is empty.
double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = a[i] - (b.empty() ? 0.0 : b[i]);
    sum += difference * difference;
  }
  return sum;
}

// A group's own contribution: s² / S, and own / S of the images' noise, which s² holds already.
struct Part {
  double scatter = 0, own = 0, degrees = 0;
};

Part part_of(const Seeds& group) {
  const auto n = static_cast<double>(group.values.size());
  if (n < 2) return {};
  Part part{.scatter = variance_of(group.values) / n, .own = 0, .degrees = n - 1};
  if (group.noise.empty()) return part;
  double lengths = 0;
  for (const std::vector<float>& vector : group.noise) lengths += squared_length(vector);
  part.own = (lengths / n - squared_distance(mean_vector(group), {})) / (n - 1);
  return part;
}

Noise sum_up(double images, const std::vector<Part>& parts) {
  Noise noise;
  noise.images = noise.shared = images;
  double uncertain = 0;
  for (const Part& part : parts) {
    noise.shared -= part.own;
    noise.scatter += part.scatter;
    if (part.degrees > 0) uncertain += part.scatter * part.scatter / part.degrees;
  }
  noise.shared = std::max(noise.shared, 0.0);
  noise.variance = noise.shared + noise.scatter;
  if (uncertain > 0) noise.degrees = noise.variance * noise.variance / uncertain;
  return noise;
}

}  // namespace

bool known(const Seeds& group) { return group.values.size() > 1 || !group.noise.empty(); }

Noise noise_of(const Seeds& group) {
  const double images = group.noise.empty() ? 0 : squared_distance(mean_vector(group), {});
  return sum_up(images, {part_of(group)});
}

Noise noise_between(const Seeds& a, const Seeds& b) {
  double images = 0;
  if (!a.noise.empty() && !b.noise.empty()) {
    images = squared_distance(mean_vector(a), mean_vector(b));
  }
  return sum_up(images, {part_of(a), part_of(b)});
}

}  // namespace sarsweep::stats
