#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace sarsweep::trainer {

// What a CLIP judge makes of an evaluation. Rows have one width, any length but zero, and need not
// be of unit norm.
struct ClipEmbeddings {
  std::string judge;                                // SHA-256 of the judge's weights
  std::vector<std::vector<float>> real, generated;  // a row per pair, in the order of the pairs
  std::vector<std::vector<float>> text;             // a row per different caption
  std::vector<std::size_t> caption;                 // of each pair: its row of `text`
};

// The pools of captions that a picture's own one is ranked in.
enum class RankMode {
  expected,     // every pool there is, in closed form
  shuffle,      // one partition into pools by a fixed key; what is left over is dropped
  within_label  // as expected, but the others of a pool have the picture's label
};
// What a caption counts that is as similar to the picture as its own one: 0, 1/2 or 1. The same
// text on another item is such a caption.
enum class RankTies { strict, mid, pessimistic };
// Throw Error(invalid, eval.rank_mode or eval.rank_ties).
RankMode parse_rank_mode(const std::string& text);
RankTies parse_rank_ties(const std::string& text);

struct RankRules {
  RankMode mode = RankMode::expected;
  RankTies ties = RankTies::mid;
  int pool = 16;  // captions, the own one included; fewer where there are not so many
};

// Pairs of one item are pictures for the same caption made with other seeds: it stands once among
// the candidates, and never against itself.
struct RankedPair {
  std::string item, label;
};

// With k of the P other candidates above the own caption (ties as the member says), the mean rank
// over all pools of N is 1 + (N - 1) k / P.
struct PairRank {
  double strict = 0, mid = 0;
  double expected = 0;  // ties as in the rules
};

struct RankSummary {
  // Of the rank in one pool, by mode: over all pools, or those of the partition. Population
  // variance; the median is the mean of the middle two, `median_floor` open_clip's: floor(median of
  // rank - 1) + 1.
  double mean = 0, variance = 0, median = 0, median_floor = 0;
  double expected_mean = 0, strict_mean = 0;  // of PairRank
  double tie_share = 0;                       // of all comparisons with another candidate
  int pool = 0;                               // the largest that was possible
};

struct ClipRanks {
  std::vector<std::optional<PairRank>> pairs;         // nullopt: there is no other candidate
  std::optional<RankSummary> summary;                 // nullopt: no pair has a rank
  std::vector<double> cosine_real, cosine_generated;  // with the own caption, a value per pair
};

// Ranks are of the generated pictures. Throws Error(invalid): numbers of rows that disagree, rows
// of another width, a row of zeros or with a number that is not finite, an item with two captions
// or two labels.
ClipRanks rank_captions(const ClipEmbeddings& embeddings, const std::vector<RankedPair>& pairs,
                        const RankRules& rules);

}  // namespace sarsweep::trainer
