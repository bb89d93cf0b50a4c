#include "trainer/core/metrics/floor.h"

#include <map>
#include <utility>

#include "schema/base/philox.h"

namespace sarsweep::trainer {
namespace {

constexpr int kSplits = 16;

struct Halves {
  AmplitudeHistogram first, second;
};

// Fisher-Yates per label, then alternately to the two halves; an odd one is left out.
void split_label(const std::vector<LabelledHistogram>& images, std::vector<std::size_t> members,
                 const RandomStream& random, std::uint64_t& drawn, Halves& halves) {
  for (std::size_t i = members.size(); i > 1; --i) {
    std::swap(members[i - 1], members[random.below(i, drawn++)]);
  }
  for (std::size_t i = 0; i + 1 < members.size(); i += 2) {
    halves.first.add(images[members[i]].histogram);
    halves.second.add(images[members[i + 1]].histogram);
  }
}

Halves split(const std::vector<LabelledHistogram>& images, const AmplitudeHistogram& empty,
             std::uint64_t index) {
  std::map<std::string, std::vector<std::size_t>> by_label;
  for (std::size_t i = 0; i < images.size(); ++i) by_label[images[i].label].push_back(i);
  const RandomStream random(0, "evaluation.floor", index);
  Halves halves{empty, empty};
  std::uint64_t drawn = 0;
  for (const auto& [label, members] : by_label) split_label(images, members, random, drawn, halves);
  return halves;
}

}  // namespace

nlohmann::json real_floor(const std::vector<LabelledHistogram>& images, Smoothing smoothing) {
  nlohmann::json floor = {{"kl_pooled", nullptr},
                          {"jsd_pooled", nullptr},
                          {"wasserstein1_pooled", nullptr},
                          {"splits", kSplits}};
  if (images.empty()) return floor;
  const AmplitudeHistogram empty(static_cast<int>(images.front().histogram.counts().size()), 1.0);
  double kl = 0;
  double jsd = 0;
  double distance = 0;
  for (int i = 0; i < kSplits; ++i) {
    const Halves halves = split(images, empty, static_cast<std::uint64_t>(i));
    const auto divergence = kl_divergence(halves.first, halves.second, smoothing);
    if (!divergence) return floor;
    kl += *divergence / kSplits;
    jsd += js_divergence(halves.first, halves.second).value_or(0) / kSplits;
    distance += wasserstein1(halves.first, halves.second).value_or(0) / kSplits;
  }
  floor["kl_pooled"] = kl;
  floor["jsd_pooled"] = jsd;
  floor["wasserstein1_pooled"] = distance;
  return floor;
}

}  // namespace sarsweep::trainer
