#include "tests/statistics/caption_ranks.h"

#include <array>
#include <cmath>

namespace sarsweep::statistics {
namespace {

constexpr std::size_t kWidth = 16;
constexpr double kSpread = 0.7;  // of captions about their label's centre
constexpr std::uint64_t kKey = 20'261;
constexpr std::size_t kCaptions = 2'000;
constexpr double kPool = 16;

using Vector = std::array<float, kWidth>;

float dot(const Vector& a, const Vector& b) {
  float sum = 0;
  for (std::size_t k = 0; k < kWidth; ++k) sum += a[k] * b[k];
  return sum;
}

Vector caption(std::size_t label, const RandomStream& random, std::size_t i) {
  const RandomStream centre(kKey, "label", label);
  Vector out{};
  double square = 0;
  for (std::size_t k = 0; k < kWidth; ++k) {
    const double value = centre.normal(k) + kSpread * random.normal(i * kWidth + k);
    out[k] = static_cast<float>(value);
    square += value * value;
  }
  for (float& value : out) value /= static_cast<float>(std::sqrt(square));
  return out;
}

}  // namespace

std::vector<double> caption_ranks(const stats::ImageSet& images, double common, double noise,
                                  const EmbeddingStreams& streams) {
  std::vector<Vector> captions;
  for (std::size_t s = 0; s < images.strata().size(); ++s) {
    for (std::size_t i = images.strata()[s].begin; i < images.strata()[s].end; ++i) {
      captions.push_back(caption(s, streams.captions, i));
    }
  }
  const double scale = noise / std::sqrt(static_cast<double>(kWidth));
  std::vector<double> ranks;
  for (std::size_t i = 0; i < captions.size(); ++i) {
    Vector picture = captions[i];
    for (std::size_t k = 0; k < kWidth; ++k) {
      const double away = std::sqrt(common) * streams.prompts.normal(i * kWidth + k) +
                          std::sqrt(1 - common) * streams.pictures.normal(i * kWidth + k);
      picture[k] += static_cast<float>(scale * away);
    }
    const float own = dot(picture, captions[i]);
    double above = 0;
    for (std::size_t j = 0; j < captions.size(); ++j) {
      if (j != i && dot(picture, captions[j]) > own) ++above;
    }
    ranks.push_back(1 + (kPool - 1) * above / static_cast<double>(captions.size() - 1));
  }
  return ranks;
}

double true_caption_rank(const stats::ImageSet& images, double noise, std::size_t pictures) {
  const std::size_t labels = images.strata().size();
  const auto n = static_cast<double>(images.size());
  const double same = n / static_cast<double>(labels) - 1;  // other captions of the own label
  const RandomStream random(kKey, "population", 0);
  std::vector<Vector> captions;
  for (std::size_t j = 0; j < kCaptions; ++j) captions.push_back(caption(j % labels, random, j));
  const double scale = noise / std::sqrt(static_cast<double>(kWidth));
  double sum = 0;
  for (std::size_t i = 0; i < pictures; ++i) {
    Vector own = caption(i % labels, random, kCaptions + i);
    Vector picture = own;
    for (std::size_t k = 0; k < kWidth; ++k) {
      const double away = random.normal((kCaptions + pictures + i) * kWidth + k);
      picture[k] += static_cast<float>(scale * away);
    }
    const float reference = dot(picture, own);
    std::array<double, 2> above{};  // of other labels, of the own one
    std::array<double, 2> count{};
    for (std::size_t j = 0; j < kCaptions; ++j) {
      const std::size_t own_label = j % labels == i % labels ? 1 : 0;
      ++count[own_label];
      if (dot(picture, captions[j]) > reference) ++above[own_label];
    }
    sum += (n - 1 - same) * above[0] / count[0] + same * above[1] / count[1];
  }
  return 1 + (kPool - 1) * sum / (static_cast<double>(pictures) * (n - 1));
}

}  // namespace sarsweep::statistics
