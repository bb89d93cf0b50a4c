#include "coordinator/stats/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "coordinator/stats/gallery.h"

namespace sarsweep::stats {
namespace {

// What the replicates' histograms come to, block by block of their bins.
class ReplicateDivergences {
 public:
  ReplicateDivergences(const Gallery& gallery, const Resampling& resampling,
                       const std::vector<Sums>& pooled, const std::vector<Sums>& labels)
      : gallery_(gallery), resampling_(resampling), pooled_(resampling.replicates()) {
    const Needs& needs = gallery.needs();
    const std::size_t bins = gallery.run().bins;
    for (const Sums& sums : pooled) {
      if (needs.kl) kl_.emplace_back(sums.real, sums.generated, bins, gallery.smoothing());
      if (needs.jsd) jsd_.emplace_back(sums.real, sums.generated);
      if (needs.wasserstein1) wasserstein1_.emplace_back(sums.real, sums.generated, bins);
    }
    if (!needs.label_kl) return;
    for (const Sums& sums : labels) {
      label_kl_.emplace_back(sums.real, sums.generated, bins, gallery.smoothing());
    }
  }

  void add(const PixelCounts& counts) {
    for (std::size_t block = 0; block < counts.blocks(); ++block) {
      std::fill(pooled_.begin(), pooled_.end(), CountBlock{});
      const std::size_t bins = counts.bins(block);
      for (std::size_t s = 0; s < strata(); ++s) add_stratum(counts, block, s);
      for (std::size_t b = 0; b < pooled_.size(); ++b) {
        const double* real = pooled_[b].data();
        if (!kl_.empty()) kl_[b].add(real, real + kBlock, bins);
        if (!jsd_.empty()) jsd_[b].add(real, real + kBlock, bins);
        if (!wasserstein1_.empty()) wasserstein1_[b].add(real, real + kBlock, bins);
      }
    }
  }

  Divergences of(std::size_t b) const {
    Divergences out;
    if (!kl_.empty()) out.kl = kl_[b].value();
    if (!jsd_.empty()) out.jsd = jsd_[b].value();
    if (!wasserstein1_.empty()) out.wasserstein1 = wasserstein1_[b].value();
    for (std::size_t s = 0; s < strata() && !label_kl_.empty(); ++s) {
      out.label_kl.push_back(label_kl_[b * strata() + s].value());
    }
    return out;
  }

 private:
  std::size_t strata() const { return gallery_.strata().size(); }

  void add_stratum(const PixelCounts& counts, std::size_t block, std::size_t s) {
    const double weight = resampling_.weight(s);
    const std::size_t bins = counts.bins(block);
    for (std::size_t b = 0; b < pooled_.size(); ++b) {
      CountBlock sum = counts.sum(block, resampling_.drawn(b, s));
      for (std::size_t k = 0; k < sum.size(); ++k) {
        sum[k] *= weight;
        pooled_[b][k] += sum[k];
      }
      if (label_kl_.empty()) continue;
      label_kl_[b * strata() + s].add(sum.data(), sum.data() + kBlock, bins);
    }
  }

  const Gallery& gallery_;
  const Resampling& resampling_;
  std::vector<CountBlock> pooled_;  // of each replicate: the block at hand
  std::vector<KlSum> kl_;
  std::vector<JsSum> jsd_;
  std::vector<WassersteinSum> wasserstein1_;
  std::vector<KlSum> label_kl_;  // of each replicate and stratum
};

double texture_of(const Gallery& gallery, const Resampling& resampling, std::size_t replicate) {
  const Textures& textures = gallery.run().textures;
  std::vector<Textures::Sums> sums;
  for (std::size_t s = 0; s < gallery.strata().size(); ++s) {
    sums.push_back(textures.none());
    for (const std::uint32_t i : resampling.drawn(replicate, s)) {
      textures.add_image(i, resampling.weight(s), sums.back());
    }
  }
  return gallery.texture_distance(sums);
}

// The values of each replicate.
std::vector<std::vector<double>> replicate(const Gallery& gallery, const Resampling& resampling) {
  std::vector<Sums> pooled;
  std::vector<Sums> labels;
  for (std::size_t b = 0; b < resampling.replicates(); ++b) {
    pooled.push_back(gallery.none());
    for (std::size_t s = 0; s < gallery.strata().size(); ++s) {
      Sums part = gallery.none();
      for (const std::uint32_t i : resampling.drawn(b, s)) {
        part.add(gallery.image(i), resampling.weight(s));
      }
      pooled.back().add(part, 1);
      if (gallery.needs().label_kl) labels.push_back(std::move(part));
    }
  }
  ReplicateDivergences divergences(gallery, resampling, pooled, labels);
  if (gallery.needs().counts()) divergences.add(PixelCounts(gallery.run()));
  std::vector<std::vector<double>> values;
  for (std::size_t b = 0; b < pooled.size(); ++b) {
    Divergences of_replicate = divergences.of(b);
    if (gallery.needs().texture) of_replicate.texture = texture_of(gallery, resampling, b);
    values.push_back(gallery.values(pooled[b], of_replicate));
  }
  return values;
}

bool finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

}  // namespace

std::vector<std::optional<Resampled>> resample(const JudgedRun& run, const Resampling& resampling,
                                               const std::vector<Statistic>& statistics) {
  const std::optional<Smoothing> smoothing = smoothing_of(run);
  const Gallery gallery(run, statistics, smoothing.value_or(Smoothing::eps));
  const std::vector<double> estimates = gallery.values();
  std::vector<Resampled> made(statistics.size());
  for (std::size_t k = 0; k < made.size(); ++k) {
    made[k].estimate = estimates[k];
    const std::vector<double> influence = gallery.influence(k);
    made[k].influence.assign(influence.begin(), influence.end());
  }
  for (const std::vector<double>& values : replicate(gallery, resampling)) {
    for (std::size_t k = 0; k < made.size(); ++k) {
      made[k].replicates.push_back(static_cast<float>(values[k] - estimates[k]));
    }
  }
  std::vector<std::optional<Resampled>> out;
  for (std::size_t k = 0; k < made.size(); ++k) {
    const bool known = std::isfinite(made[k].estimate) && finite(made[k].replicates) &&
                       finite(made[k].influence) &&
                       (statistics[k].measure != Measure::kl || smoothing);
    out.push_back(known ? std::optional(std::move(made[k])) : std::nullopt);
  }
  return out;
}

std::optional<Smoothing> smoothing_of(const JudgedRun& run) {
  const auto reported = run.reported.find("kl_pooled");
  if (reported == run.reported.end() || run.bins == 0) return std::nullopt;
  for (const Smoothing smoothing : {Smoothing::eps, Smoothing::half}) {
    const Gallery gallery(run, {{Measure::kl, Scope::pooled, "", ""}}, smoothing);
    if (alike(gallery.values().front(), reported->second)) return smoothing;
  }
  return std::nullopt;
}

}  // namespace sarsweep::stats
