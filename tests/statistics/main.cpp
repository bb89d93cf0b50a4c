#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>
#include <mutex>
#include <thread>

#include <CLI/CLI.hpp>

#include "schema/base/guarded.h"
#include "tests/statistics/coverage.h"

namespace {

using namespace sarsweep;
using namespace sarsweep::statistics;

constexpr double kLeastCoverage = 0.93;
constexpr double kMostCoverage = 0.97;
constexpr double kLeastTied = 0.93;
// Its distances are folded at 0: where some are small their scatter is less than their slope says,
// and the interval is wide.
const std::string kMayBeWide = "glcm_distance";

struct Options {
  std::string mode;
  std::uint64_t studies = 100;
  std::uint64_t first = 0;
  unsigned threads = std::jthread::hardware_concurrency();
  bool small = false;
  bool means = false;
  WorldOptions world;
};

// The studies, shared out to the threads in pieces.
template <typename Result, typename Work, typename Merge>
Result over_studies(const Options& options, const Work& work, const Merge& merge) {
  constexpr std::uint64_t kPiece = 10;
  Guarded<std::uint64_t> next(0);
  Guarded<Result> result;
  const auto labour = [&] {
    for (;;) {
      const std::uint64_t begin = next.with([](std::uint64_t& at) {
        const std::uint64_t taken = at;
        at += kPiece;
        return taken;
      });
      if (begin >= options.studies) return;
      const Result piece = work(options.first + begin, std::min(kPiece, options.studies - begin));
      result.with([&](Result& whole) { merge(whole, piece); });
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < std::max(1U, options.threads); ++i) threads.emplace_back(labour);
  }
  return result.with([](Result& whole) { return whole; });
}

// Prints a table; returns how many entries lie outside the bounds.
int print(const char* title, const Coverage& coverage) {
  int faults = 0;
  fmt::print("\n| {} | seeds | coverage | ends below | begins above | mean width | n |\n", title);
  fmt::print("| --- | --- | --- | --- | --- | --- | --- |\n");
  for (const auto& [key, tally] : coverage) {
    const auto n = static_cast<double>(tally.intervals);
    const bool fine = tally.share() >= kLeastCoverage &&
                      (tally.share() <= kMostCoverage || key.first == kMayBeWide);
    faults += fine ? 0 : 1;
    fmt::print("| {} | {} | {:.1f} %{} | {:.1f} % | {:.1f} % | {:.4g} | {} |\n", key.first,
               key.second, 100 * tally.share(), fine ? "" : " (!)",
               100 * static_cast<double>(tally.below) / n,
               100 * static_cast<double>(tally.above) / n, tally.width / n, tally.intervals);
  }
  return faults;
}

std::string range(const char* of, const Coverage& coverage) {
  double low = 1;
  double high = 0;
  for (const auto& [key, tally] : coverage) {
    low = std::min(low, tally.share());
    high = std::max(high, tally.share());
  }
  return coverage.empty()
             ? ""
             : fmt::format(", coverage of {} {:.1f} to {:.1f} %", of, 100 * low, 100 * high);
}

int run_coverage(const Options& options) {
  const World world(options.world);
  const Truths truths(world);
  const auto result = over_studies<CoverageResult>(
      options,
      [&](std::uint64_t first, std::uint64_t n) {
        return cover(world, truths, first, n, !options.means);
      },
      [](CoverageResult& whole, const CoverageResult& piece) {
        for (const auto& [key, tally] : piece.means) whole.means[key].add(tally);
        for (const auto& [key, tally] : piece.differences) whole.differences[key].add(tally);
      });
  const int faults = print("mean", result.means) + print("difference", result.differences);
  fmt::print("summary: log-gain SD {}, {} images a label{}{}, each of {} intervals\n",
             options.world.gain, options.world.per_label, range("means", result.means),
             range("differences", result.differences), options.studies);
  return faults == 0 ? 0 : 1;
}

int run_ties(const Options& options) {
  const auto ties = over_studies<Ties>(
      options, [&](std::uint64_t first, std::uint64_t n) { return tie(options.world, first, n); },
      [](Ties& whole, const Ties& piece) {
        for (const auto& [key, tally] : piece) whole[key].add(tally);
      });
  int faults = 0;
  double least = 1;
  fmt::print(
      "\n| metric | seeds | tied | share a rank: alone | beside others | p < 0.05 | p by tenths | "
      "n |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const auto& [key, tally] : ties) {
    const auto n = static_cast<double>(tally.studies);
    const auto share = [&](std::uint64_t count) { return static_cast<double>(count) / n; };
    for (const double kept : {share(tally.tied), share(tally.alone)}) {
      least = std::min(least, kept);
      faults += kept >= kLeastTied ? 0 : 1;
    }
    fmt::print("| {} | {} | {:.1f} % | {:.1f} % | {:.1f} % | {:.1f} % | {} | {} |\n", key.first,
               key.second, 100 * share(tally.tied), 100 * share(tally.alone),
               100 * share(tally.shared), 100 * share(tally.significant), fmt::join(tally.p, " "),
               tally.studies);
  }
  fmt::print("summary: log-gain SD {}: equal cells tie in {:.1f} % of {} studies or more\n",
             options.world.gain, 100 * least, options.studies);
  return faults == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  Options options;
  CLI::App app(
      "Simulates studies whose truth is known and asks how often the leaderboard's intervals "
      "contain it. Exits 0 if that is 93 to 97 % everywhere (of glcm_distance 93 % or more), "
      "and equal cells tie in 93 % of the studies.",
      "sarsweep-statistics");
  app.add_option("mode", options.mode, "coverage or ties")
      ->required()
      ->check(CLI::IsMember({"coverage", "ties"}));
  app.add_option("--studies", options.studies, "How many")->check(CLI::Range(1, 10'000'000));
  app.add_option("--first", options.first, "Number of the first one");
  app.add_option("--threads", options.threads, "Threads of this program");
  app.add_option("--gain", options.world.gain, "SD of the log-gain of images");
  app.add_option("--training", options.world.training, "SD of what a training adds to it");
  app.add_option("--per-label", options.world.per_label, "Images a label");
  app.add_option("--judged", options.world.judged, "Pictures behind the true CLIP rank");
  app.add_option("--metrics", options.world.metrics, "Only these")
      ->delimiter(',')
      ->check(CLI::IsMember(metric_names()));
  app.add_flag("--means", options.means, "No differences between cells: half the work");
  app.add_flag("--small", options.small, "Pictures of 64 by 64 pixels, drawn; half smoothing");
  CLI11_PARSE(app, argc, argv);
  if (options.small) {
    options.world.pixels = 64 * 64;
    options.world.shot_noise = true;
    options.world.smoothing = stats::Smoothing::half;
  }
  return options.mode == "ties" ? run_ties(options) : run_coverage(options);
} catch (const std::exception& error) {
  std::cerr << "sarsweep-statistics: error: " << error.what() << '\n';
  return 1;
}
