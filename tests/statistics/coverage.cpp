#include "tests/statistics/coverage.h"

#include <algorithm>
#include <optional>

#include "coordinator/stats/cell.h"
#include "coordinator/stats/ranks.h"

namespace sarsweep::statistics {
namespace {

constexpr Model kFirst{};
constexpr Model kOther{.shift = 0.06, .quality = -0.1};
constexpr Model kBetter{.shift = 0.45, .quality = -0.9};
constexpr Model kWorse{.shift = -0.6, .quality = 0.7};

using Judged = std::vector<std::optional<stats::Resampled>>;

std::vector<stats::Statistic> statistics_of(const std::vector<std::string>& metrics) {
  std::vector<stats::Statistic> out;
  for (const std::string& metric : metrics) out.push_back(statistic(metric));
  return out;
}

// Which runs of which study.
struct Course {
  std::uint64_t study, stream;
  std::size_t seeds;
};

// The runs of a model, a seed each, by all metrics.
std::vector<Judged> runs_of(const World& world, const stats::Resampling& resampling,
                            const Course& course, const Model& model,
                            const std::vector<std::string>& metrics) {
  std::vector<Judged> runs;
  for (std::uint64_t seed = 0; seed < course.seeds; ++seed) {
    runs.push_back(stats::resample(world.judge(course.study, course.stream, seed, model),
                                   resampling, statistics_of(metrics)));
  }
  return runs;
}

stats::Cell cell_of(const std::vector<Judged>& runs, std::size_t metric, std::size_t seeds) {
  stats::Cell cell;
  for (std::size_t s = 0; s < seeds; ++s) {
    const stats::Resampled& run = runs[s][metric].value();
    cell.push_back({static_cast<std::int64_t>(s), run.estimate, &run});
  }
  return cell;
}

stats::Contender contender_of(const stats::Cell& cell, const stats::Resampling& resampling) {
  stats::Contender out;
  for (const stats::SeedRun& run : cell) {
    out.mean += run.value / static_cast<double>(cell.size());
    out.seeds.push_back(run.seed);
    out.runs.values.push_back(run.value);
    const auto noise = stats::noise_vector(
        {run.images->influence.begin(), run.images->influence.end()}, resampling.images());
    out.runs.noise.emplace_back(noise.begin(), noise.end());
  }
  return out;
}

}  // namespace

void Tally::add(const stats::Interval& interval, double truth) {
  ++intervals;
  if (interval.high < truth) {
    ++below;
  } else if (interval.low > truth) {
    ++above;
  } else {
    ++covered;
  }
  width += interval.high - interval.low;
}

void Tally::add(const Tally& other) {
  intervals += other.intervals;
  covered += other.covered;
  below += other.below;
  above += other.above;
  width += other.width;
}

Truths::Truths(const World& world) : first(world, kFirst), other(world, kOther) {}

CoverageResult cover(const World& world, const Truths& truths, std::uint64_t first,
                     std::uint64_t studies, bool differences) {
  CoverageResult result;
  const auto& metrics = world.options().metrics;
  const stats::Resampling resampling(world.judge(0, 0, 0, kFirst).images);
  for (std::uint64_t study = first; study < first + studies; ++study) {
    const auto runs = runs_of(world, resampling, {study, 0, kSeeds.back()}, kFirst, metrics);
    std::vector<Judged> others;
    if (differences)
      others = runs_of(world, resampling, {study, 1, kSeeds.back()}, kOther, metrics);
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      const std::string& metric = metrics[m];
      for (const std::size_t seeds : kSeeds) {
        const auto truth = [&](const Truth& of, std::uint64_t model) {
          return seeds == 1 ? of.of_training(metric, world.training(study, model, 0))
                            : of.mean(metric);
        };
        const double mean = truth(truths.first, 0);
        const stats::Cell cell = cell_of(runs, m, seeds);
        result.means[{metric, seeds}].add(stats::estimate(cell, &resampling).interval.value(),
                                          mean);
        if (!differences) continue;
        const auto compared = stats::compare(cell_of(others, m, seeds), cell, &resampling);
        result.differences[{metric, seeds}].add(compared->interval.value(),
                                                truth(truths.other, 1) - mean);
      }
    }
  }
  return result;
}

void TieTally::add(const TieTally& other) {
  studies += other.studies;
  tied += other.tied;
  alone += other.alone;
  shared += other.shared;
  significant += other.significant;
  for (std::size_t i = 0; i < p.size(); ++i) p[i] += other.p[i];
}

namespace {

// What rank and p make of the study's cells with so many seeds, by one metric.
void judge_ties(const std::vector<std::vector<Judged>>& cells, std::size_t metric,
                std::size_t seeds, const stats::Resampling& resampling, TieTally& tally) {
  std::vector<stats::Contender> contenders;
  for (const auto& runs : cells) {
    contenders.push_back(contender_of(cell_of(runs, metric, seeds), resampling));
  }
  const auto ranks = stats::ranks({contenders.begin(), contenders.end()}, false);
  const auto pair = stats::ranks({contenders[0], contenders[1]}, false);
  const auto compared = stats::compare(cell_of(cells[0], metric, seeds),
                                       cell_of(cells[1], metric, seeds), &resampling);
  const double p = compared->p.value();
  ++tally.studies;
  if (ranks[0].low <= ranks[1].high && ranks[1].low <= ranks[0].high) ++tally.tied;
  if (ranks[0].rank == ranks[1].rank) ++tally.shared;
  if (pair[0].rank == pair[1].rank) ++tally.alone;
  if (p < 0.05) ++tally.significant;
  ++tally.p[std::min<std::size_t>(static_cast<std::size_t>(p * 10), 9)];
}

void add_ties(const World& world, std::uint64_t study, const std::vector<std::size_t>& seeds,
              Ties& ties) {
  const auto& metrics = world.options().metrics;
  const stats::Resampling resampling(world.judge(0, 0, 0, kFirst).images);
  std::vector<std::vector<Judged>> cells;
  for (const Model& model : {kFirst, kFirst, kBetter, kWorse}) {
    const Course course{study, cells.size(), seeds.back()};
    cells.push_back(runs_of(world, resampling, course, model, metrics));
  }
  for (std::size_t m = 0; m < metrics.size(); ++m) {
    for (const std::size_t n : seeds) {
      judge_ties(cells, m, n, resampling, ties[{metrics[m], n}]);
    }
  }
}

}  // namespace

Ties tie(const WorldOptions& options, std::uint64_t first, std::uint64_t studies) {
  WorldOptions still = options;
  still.training = 0;
  const World world(options);
  const World still_world(still);
  Ties ties;
  for (std::uint64_t study = first; study < first + studies; ++study) {
    add_ties(still_world, study, {kSeeds.front()}, ties);
    add_ties(world, study, {kSeeds.begin() + 1, kSeeds.end()}, ties);
  }
  return ties;
}

}  // namespace sarsweep::statistics
