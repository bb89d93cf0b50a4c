#include "trainer/core/metrics/autocorrelation.h"

namespace sarsweep::trainer {
namespace {

// The mean of d(row, col) d(row + down, col + right) over all pairs inside the image.
double mean_product(const AmplitudeImage& image, double mean, int down, int right) {
  const int rows = image.height - down;
  const int columns = image.width - right;
  if (rows <= 0 || columns <= 0) return 0;
  double sum = 0;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      sum += (image.at(row, column) - mean) * (image.at(row + down, column + right) - mean);
    }
  }
  return sum / (static_cast<double>(rows) * columns);
}

}  // namespace

double autocorrelation(const AmplitudeImage& amplitude, int lag) {
  AmplitudeStatistics statistics;
  statistics.add(amplitude);
  const double mean = statistics.mean();
  const double power = statistics.sigma() * statistics.sigma();
  // Rounding of the mean leaves a constant image with a power of about (1e-16 mean)².
  if (power <= 1e-28 * mean * mean) return 0;
  const double across = mean_product(amplitude, mean, 0, lag);
  const double along = mean_product(amplitude, mean, lag, 0);
  return (across + along) / (2 * power);
}

}  // namespace sarsweep::trainer
