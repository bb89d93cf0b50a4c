#include "trainer/core/metrics/divergence.h"

#include <fmt/format.h>

#include <cassert>
#include <cmath>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

constexpr double kEpsilon = 1e-10;

std::vector<double> shares(const AmplitudeHistogram& histogram) {
  std::vector<double> p(histogram.counts().size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    p[i] = static_cast<double>(histogram.counts()[i]) / static_cast<double>(histogram.kept());
  }
  return p;
}

std::vector<double> smoothed(const AmplitudeHistogram& histogram, Smoothing smoothing) {
  std::vector<double> p = shares(histogram);
  const double added =
      smoothing == Smoothing::eps ? kEpsilon : 0.5 / static_cast<double>(histogram.kept());
  double sum = 0;
  for (double& share : p) sum += share += added;
  for (double& share : p) share /= sum;
  return p;
}

double relative_entropy(const std::vector<double>& p, const std::vector<double>& q) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] > 0) sum += p[i] * std::log(p[i] / q[i]);
  }
  return sum;
}

bool comparable(const AmplitudeHistogram& p, const AmplitudeHistogram& q) {
  assert(p.counts().size() == q.counts().size());
  return p.kept() > 0 && q.kept() > 0;
}

}  // namespace

Smoothing parse_smoothing(const std::string& text) {
  if (text == "eps") return Smoothing::eps;
  if (text == "half") return Smoothing::half;
  throw Error(ErrorCode::invalid, fmt::format("smoothing must be eps or half (got '{}')", text),
              "eval.smoothing");
}

std::optional<double> kl_divergence(const AmplitudeHistogram& p, const AmplitudeHistogram& q,
                                    Smoothing smoothing) {
  if (!comparable(p, q)) return std::nullopt;
  return relative_entropy(smoothed(p, smoothing), smoothed(q, smoothing));
}

std::optional<double> js_divergence(const AmplitudeHistogram& p, const AmplitudeHistogram& q) {
  if (!comparable(p, q)) return std::nullopt;
  const std::vector<double> a = shares(p);
  const std::vector<double> b = shares(q);
  std::vector<double> middle(a.size());
  for (std::size_t i = 0; i < middle.size(); ++i) middle[i] = (a[i] + b[i]) / 2;
  return (relative_entropy(a, middle) + relative_entropy(b, middle)) / 2;
}

std::optional<double> wasserstein1(const AmplitudeHistogram& p, const AmplitudeHistogram& q) {
  if (!comparable(p, q)) return std::nullopt;
  const std::vector<double> a = shares(p);
  const std::vector<double> b = shares(q);
  double cumulated = 0;
  double area = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    cumulated += a[i] - b[i];
    area += std::abs(cumulated);
  }
  return area / static_cast<double>(a.size());
}

}  // namespace sarsweep::trainer
