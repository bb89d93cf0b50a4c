#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "coordinator/stats/interval.h"
#include "tests/statistics/world.h"

namespace sarsweep::statistics {

// Numbers of training seeds that are tried.
inline constexpr std::array<std::size_t, 3> kSeeds = {1, 3, 5};

struct Tally {
  std::uint64_t intervals = 0, covered = 0;
  std::uint64_t below = 0, above = 0;  // intervals that end below the truth, or begin above it
  double width = 0;                    // sum
  double share() const { return static_cast<double>(covered) / static_cast<double>(intervals); }
  void add(const stats::Interval& interval, double truth);
  void add(const Tally& other);
};

// Of means: metric and number of seeds; of differences: the same.
using Coverage = std::map<std::pair<std::string, std::size_t>, Tally>;

struct CoverageResult {
  Coverage means, differences;
};

// The two models whose intervals are looked at.
struct Truths {
  explicit Truths(const World& world);
  Truth first, other;
};

// Intervals of simulated studies [first, first + studies): of a cell's mean, against the truth over
// all images and trainings (one seed: over all images, for that training); and of its difference to
// another cell, if `differences`.
CoverageResult cover(const World& world, const Truths& truths, std::uint64_t first,
                     std::uint64_t studies, bool differences);

// What rank and p say of equal cells.
struct TieTally {
  std::uint64_t studies = 0;
  std::uint64_t tied = 0;             // the ranges of their ranks meet
  std::uint64_t alone = 0;            // they share a rank where they are the only cells
  std::uint64_t shared = 0;           // they share a rank beside the others
  std::uint64_t significant = 0;      // p < 0.05 between them
  std::array<std::uint64_t, 10> p{};  // by tenths
  void add(const TieTally& other);
};
// By metric and number of seeds. A study holds two equal cells, one that is far better and one that
// is far worse. With one seed nothing is known of what training does: there it does the same.
using Ties = std::map<std::pair<std::string, std::size_t>, TieTally>;
Ties tie(const WorldOptions& options, std::uint64_t first, std::uint64_t studies);

}  // namespace sarsweep::statistics
