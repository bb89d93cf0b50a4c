#include "trainer/core/metrics/clip_metrics.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "trainer/core/metrics/mean.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

struct LabelMeans {
  Mean rank, cosine_real, cosine_generated;
  std::set<std::string> items;
};

json summary_table(const RankSummary& summary) {
  return {{"mean", summary.mean},
          {"median", summary.median},
          {"median_floor", summary.median_floor},
          {"variance", summary.variance},
          {"expected_mean", summary.expected_mean},
          {"strict_mean", summary.strict_mean},
          {"tie_share", summary.tie_share},
          {"pool", summary.pool}};
}

std::map<std::string, LabelMeans> label_means(const EvaluationInput& input,
                                              const ClipRanks& ranks) {
  std::map<std::string, LabelMeans> labels;
  for (std::size_t i = 0; i < input.pairs.size(); ++i) {
    LabelMeans& label = labels[input.pairs[i].label];
    if (ranks.pairs[i]) label.rank.add(ranks.pairs[i]->expected);
    label.cosine_real.add(ranks.cosine_real[i]);
    label.cosine_generated.add(ranks.cosine_generated[i]);
    label.items.insert(input.pairs[i].file_name);
  }
  return labels;
}

void add_label_means(const std::map<std::string, LabelMeans>& labels, json& result) {
  Mean real;
  Mean generated;
  result["clip_rank_per_label"] = json::object();
  result["cosine"] = json::object();
  for (const auto& [name, label] : labels) {
    result["clip_rank_per_label"][name] = label.rank.value();
    result["cosine"][name] = {{"real", label.cosine_real.value()},
                              {"generated", label.cosine_generated.value()}};
    real.add(label.cosine_real);
    generated.add(label.cosine_generated);
  }
  result["cosine_mean"] = {{"real", real.value()}, {"generated", generated.value()}};
}

// Ranks in pools of different sizes do not compare.
void warn_of_small_pools(const std::map<std::string, LabelMeans>& labels, const RankRules& rules,
                         std::size_t items, json& warnings) {
  const auto pool = static_cast<std::size_t>(rules.pool);
  if (rules.mode != RankMode::within_label) {
    if (items < pool) {
      warnings.push_back(
          fmt::format("captions are ranked in pools of {}, not {}: there are no more "
                      "images",
                      items, pool));
    }
    return;
  }
  for (const auto& [name, label] : labels) {
    if (label.items.size() >= pool) continue;
    warnings.push_back(fmt::format("captions of label '{}' are ranked in pools of {}, not {}", name,
                                   label.items.size(), pool));
  }
}

void add_image_values(const ClipRanks& ranks, json& images) {
  for (std::size_t i = 0; i < ranks.pairs.size(); ++i) {
    if (ranks.pairs[i]) {
      images[i]["rank_strict"] = ranks.pairs[i]->strict;
      images[i]["rank_mid"] = ranks.pairs[i]->mid;
    }
    images[i]["cosine"] = ranks.cosine_generated[i];
  }
}

std::size_t count_items(const std::map<std::string, LabelMeans>& labels) {
  std::size_t items = 0;
  for (const auto& [name, label] : labels) items += label.items.size();
  return items;
}

}  // namespace

void add_clip_metrics(const EvaluationInput& input, const MetricRules& rules, json& result) {
  for (const char* key :
       {"clip_judge", "clip_rank", "clip_rank_per_label", "cosine", "cosine_mean"}) {
    result[key] = nullptr;
  }
  for (json& image : result["images"]) {
    for (const char* key : {"rank_strict", "rank_mid", "cosine"}) image[key] = nullptr;
  }
  if (!input.clip) {
    if (rules.names_judge) {
      result["warnings"].push_back(
          "the protocol names a CLIP judge, but nothing was embedded by it: ranks and cosines are "
          "null");
    }
    return;
  }
  std::vector<RankedPair> pairs;
  for (const EvaluationPair& pair : input.pairs) pairs.push_back({pair.file_name, pair.label});
  const ClipRanks ranks = rank_captions(*input.clip, pairs, rules.rank);
  const std::map<std::string, LabelMeans> labels = label_means(input, ranks);
  result["clip_judge"] = input.clip->judge;
  if (ranks.summary) result["clip_rank"] = summary_table(*ranks.summary);
  add_label_means(labels, result);
  add_image_values(ranks, result["images"]);
  warn_of_small_pools(labels, rules.rank, count_items(labels), result["warnings"]);
}

}  // namespace sarsweep::trainer
