#include "trainer/core/metrics/clip_rank.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "schema/base/error.h"
#include "schema/base/philox.h"
#include "trainer/core/metrics/rank_distribution.h"

namespace sarsweep::trainer {
namespace {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid, "CLIP embeddings: " + message);
}

Rows unit_rows(const std::vector<std::vector<float>>& rows, std::size_t width, const char* what) {
  Rows unit;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Row row(rows[i].begin(), rows[i].end());
    if (row.size() != width) {
      refuse(fmt::format("{} {} has {} numbers, others {}", what, i, row.size(), width));
    }
    const double length = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
    if (!(length > 0) || !std::isfinite(length)) {
      refuse(fmt::format("{} {} has the length {}", what, i, length));
    }
    for (double& value : row) value /= length;
    unit.push_back(std::move(row));
  }
  return unit;
}

double cosine(const Row& a, const Row& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

void require_complete(const ClipEmbeddings& embeddings, std::size_t pairs) {
  if (embeddings.real.size() != pairs || embeddings.generated.size() != pairs ||
      embeddings.caption.size() != pairs) {
    refuse(fmt::format("{} real, {} generated and {} captions for {} pairs", embeddings.real.size(),
                       embeddings.generated.size(), embeddings.caption.size(), pairs));
  }
  for (const std::size_t caption : embeddings.caption) {
    if (caption >= embeddings.text.size()) {
      refuse(fmt::format("caption {} of {}", caption, embeddings.text.size()));
    }
  }
}

// The candidates of a ranking: every item once, in the order of its first pair.
struct Gallery {
  struct Item {
    std::size_t caption;
    std::string label;
  };
  std::vector<Item> items;
  std::vector<std::size_t> item_of;  // of each pair
};

Gallery gallery_of(const std::vector<RankedPair>& pairs, const std::vector<std::size_t>& captions) {
  Gallery gallery;
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [found, fresh] = known.try_emplace(pairs[i].item, gallery.items.size());
    if (fresh) gallery.items.push_back({captions[i], pairs[i].label});
    const Gallery::Item& item = gallery.items[found->second];
    if (item.caption != captions[i] || item.label != pairs[i].label) {
      refuse(fmt::format("the pairs of {} differ in caption or label", pairs[i].item));
    }
    gallery.item_of.push_back(found->second);
  }
  return gallery;
}

Standing compare(const Row& similarity, const Gallery& gallery, std::size_t own,
                 const std::vector<std::size_t>& candidates) {
  Standing standing;
  const double reference = similarity[gallery.items[own].caption];
  for (const std::size_t candidate : candidates) {
    if (candidate == own) continue;
    const double other = similarity[gallery.items[candidate].caption];
    ++standing.others;
    if (other > reference) ++standing.above;
    if (other == reference) ++standing.tied;
  }
  return standing;
}

// Items that are ranked among each other.
class Groups {
 public:
  explicit Groups(std::size_t items) : group_of_(items) {}

  void add(std::vector<std::size_t> members) {
    for (const std::size_t item : members) group_of_[item] = groups_.size();
    groups_.push_back(std::move(members));
  }
  // The item itself included; nullptr: it is in none.
  const std::vector<std::size_t>* of(std::size_t item) const {
    return group_of_[item] ? &groups_[*group_of_[item]] : nullptr;
  }

 private:
  std::vector<std::vector<std::size_t>> groups_;
  std::vector<std::optional<std::size_t>> group_of_;
};

Groups candidates_of(const Gallery& gallery, RankMode mode) {
  std::map<std::string, std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < gallery.items.size(); ++i) {
    members[mode == RankMode::within_label ? gallery.items[i].label : ""].push_back(i);
  }
  Groups groups(gallery.items.size());
  for (auto& [label, items] : members) groups.add(std::move(items));
  return groups;
}

// What is left over is in no pool.
Groups partition(std::size_t items, std::size_t pool) {
  std::vector<std::size_t> order(items);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const RandomStream random(0, "evaluation.clip_rank", 0);
  for (std::size_t i = items; i > 1; --i) {
    std::swap(order[i - 1], order[random.below(i, items - i)]);
  }
  Groups pools(items);
  for (std::size_t begin = 0; begin + pool <= items; begin += pool) {
    pools.add({order.begin() + static_cast<std::ptrdiff_t>(begin),
               order.begin() + static_cast<std::ptrdiff_t>(begin + pool)});
  }
  return pools;
}

class Ranking {
 public:
  Ranking(const Rows& generated, const Rows& text, const Gallery& gallery, const RankRules& rules)
      : generated_(generated), text_(text), gallery_(gallery), rules_(rules) {}

  ClipRanks rank() {
    const Groups candidates = candidates_of(gallery_, rules_.mode);
    std::optional<Groups> pools;
    if (rules_.mode == RankMode::shuffle) {
      pools = partition(gallery_.items.size(),
                        std::min<std::size_t>(rules_.pool, gallery_.items.size()));
    }
    for (std::size_t i = 0; i < generated_.size(); ++i) {
      const std::size_t item = gallery_.item_of[i];
      const Row similarity = similarities(i);
      result_.cosine_generated.push_back(similarity[gallery_.items[item].caption]);
      add(compare(similarity, gallery_, item, *candidates.of(item)));
      const auto* pool = pools ? pools->of(item) : nullptr;
      if (pool != nullptr) in_pools_.push_back(compare(similarity, gallery_, item, *pool));
    }
    if (!pools) in_pools_ = ranked_;
    if (!ranked_.empty()) summarise();
    return std::move(result_);
  }

 private:
  Row similarities(std::size_t pair) const {
    Row similarity(text_.size());
    for (std::size_t j = 0; j < text_.size(); ++j) {
      similarity[j] = cosine(generated_[pair], text_[j]);
    }
    return similarity;
  }

  void add(const Standing& standing) {
    if (standing.others == 0) {
      result_.pairs.emplace_back();
      return;
    }
    ranked_.push_back(standing);
    const int pool = rules_.pool;
    result_.pairs.push_back(PairRank{.strict = expected_rank(standing, RankTies::strict, pool),
                                     .mid = expected_rank(standing, RankTies::mid, pool),
                                     .expected = expected_rank(standing, rules_.ties, pool)});
  }

  void summarise() {
    const RankDistribution distribution(in_pools_, rules_.ties, rules_.pool);
    RankSummary summary{.mean = distribution.mean(),
                        .variance = distribution.variance(),
                        .median = distribution.median()};
    summary.median_floor = std::floor(summary.median - 1) + 1;
    double tied = 0;
    double compared = 0;
    for (const Standing& standing : ranked_) {
      tied += static_cast<double>(standing.tied);
      compared += static_cast<double>(standing.others);
      const int pool = pool_of(standing, rules_.pool);
      summary.pool = std::max(summary.pool, pool);
      const double n = static_cast<double>(ranked_.size());
      summary.expected_mean += expected_rank(standing, rules_.ties, rules_.pool) / n;
      summary.strict_mean += expected_rank(standing, RankTies::strict, rules_.pool) / n;
    }
    summary.tie_share = tied / compared;
    result_.summary = summary;
  }

  const Rows& generated_;
  const Rows& text_;
  const Gallery& gallery_;
  const RankRules& rules_;
  std::vector<Standing> ranked_;    // among all candidates, of the pairs that have any
  std::vector<Standing> in_pools_;  // among those of the mode's pools
  ClipRanks result_;
};

}  // namespace

RankMode parse_rank_mode(const std::string& text) {
  if (text == "expected") return RankMode::expected;
  if (text == "shuffle") return RankMode::shuffle;
  if (text == "within_label") return RankMode::within_label;
  throw Error(ErrorCode::invalid,
              fmt::format("rank_mode must be expected, shuffle or within_label (got '{}')", text),
              "eval.rank_mode");
}

RankTies parse_rank_ties(const std::string& text) {
  if (text == "strict") return RankTies::strict;
  if (text == "mid") return RankTies::mid;
  if (text == "pessimistic") return RankTies::pessimistic;
  throw Error(ErrorCode::invalid,
              fmt::format("rank_ties must be strict, mid or pessimistic (got '{}')", text),
              "eval.rank_ties");
}

ClipRanks rank_captions(const ClipEmbeddings& embeddings, const std::vector<RankedPair>& pairs,
                        const RankRules& rules) {
  require_complete(embeddings, pairs.size());
  if (pairs.empty()) return {};
  const std::size_t width = embeddings.generated.front().size();
  const Rows real = unit_rows(embeddings.real, width, "real picture");
  const Rows generated = unit_rows(embeddings.generated, width, "generated picture");
  const Rows text = unit_rows(embeddings.text, width, "caption");
  const Gallery gallery = gallery_of(pairs, embeddings.caption);
  ClipRanks ranks = Ranking(generated, text, gallery, rules).rank();
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    ranks.cosine_real.push_back(cosine(real[i], text[embeddings.caption[i]]));
  }
  return ranks;
}

}  // namespace sarsweep::trainer
