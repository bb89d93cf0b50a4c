#include "trainer/core/metrics/floor.h"

#include <map>
#include <utility>

#include "schema/base/philox.h"

namespace sarsweep::trainer {
namespace {

constexpr int kSplits = 16;

using Members = std::vector<std::size_t>;  // indices of images
using Labels = std::map<std::string, Members>;

struct Halves {
  Members first, second;
};

// Fisher-Yates, then alternately to the two halves; an odd one is left out.
Halves split_label(Members members, const RandomStream& random, std::uint64_t& drawn) {
  for (std::size_t i = members.size(); i > 1; --i) {
    std::swap(members[i - 1], members[random.below(i, drawn++)]);
  }
  Halves halves;
  for (std::size_t i = 0; i + 1 < members.size(); i += 2) {
    halves.first.push_back(members[i]);
    halves.second.push_back(members[i + 1]);
  }
  return halves;
}

AmplitudeHistogram pooled(const std::vector<RealPicture>& images,
                          const std::vector<Members>& halves) {
  AmplitudeHistogram sum(static_cast<int>(images.front().histogram.counts().size()), 1.0);
  for (const Members& half : halves) {
    for (const std::size_t index : half) sum.add(images[index].histogram);
  }
  return sum;
}

TextureDistance::Textures textures_of(const std::vector<RealPicture>& images,
                                      const Members& members) {
  TextureDistance::Textures textures;
  for (const std::size_t index : members) {
    if (images[index].texture) textures.push_back(&*images[index].texture);
  }
  return textures;
}

// Sums over the splits.
struct Sums {
  double kl = 0, jsd = 0, wasserstein1 = 0, texture = 0;
  bool compared = true, textured = true;

  void add_split(const std::vector<RealPicture>& images, const Labels& labels, Smoothing smoothing,
                 std::size_t small_label, int index) {
    const RandomStream random(0, "evaluation.floor", static_cast<std::uint64_t>(index));
    std::uint64_t drawn = 0;
    std::vector<Members> first;
    std::vector<Members> second;
    TextureDistance distance;
    for (const auto& [label, members] : labels) {
      Halves halves = split_label(members, random, drawn);
      if (members.size() >= small_label) {
        distance.add(textures_of(images, members), textures_of(images, halves.first),
                     textures_of(images, halves.second));
      }
      first.push_back(std::move(halves.first));
      second.push_back(std::move(halves.second));
    }
    add_histograms(pooled(images, first), pooled(images, second), smoothing);
    textured = textured && distance.mean();
    texture += distance.mean().value_or(0);
  }

 private:
  void add_histograms(const AmplitudeHistogram& one, const AmplitudeHistogram& other,
                      Smoothing smoothing) {
    const auto divergence = kl_divergence(one, other, smoothing);
    compared = compared && divergence;
    kl += divergence.value_or(0) / kSplits;
    jsd += js_divergence(one, other).value_or(0) / kSplits;
    wasserstein1 += sarsweep::trainer::wasserstein1(one, other).value_or(0) / kSplits;
  }
};

}  // namespace

nlohmann::json real_floor(const std::vector<RealPicture>& images, Smoothing smoothing,
                          std::size_t small_label) {
  nlohmann::json floor = {{"kl_pooled", nullptr},
                          {"jsd_pooled", nullptr},
                          {"wasserstein1_pooled", nullptr},
                          {"glcm_distance", nullptr},
                          {"splits", kSplits}};
  if (images.empty()) return floor;
  Labels labels;
  for (std::size_t i = 0; i < images.size(); ++i) labels[images[i].label].push_back(i);
  Sums sums;
  for (int i = 0; i < kSplits; ++i) sums.add_split(images, labels, smoothing, small_label, i);
  if (sums.compared) {
    floor["kl_pooled"] = sums.kl;
    floor["jsd_pooled"] = sums.jsd;
    floor["wasserstein1_pooled"] = sums.wasserstein1;
  }
  if (sums.textured) floor["glcm_distance"] = sums.texture / kSplits;
  return floor;
}

}  // namespace sarsweep::trainer
