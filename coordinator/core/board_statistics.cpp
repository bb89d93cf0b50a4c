#include "coordinator/core/board_statistics.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "coordinator/stats/holm.h"

namespace sarsweep::coordinator {
namespace {

const std::string kJudged = "eval/";
const std::string kPerLabel = "eval/kl_per_label/";

using Numbers = std::shared_ptr<const ResultNumbers>;

// The metrics of a result document that the board asks for, without "eval/".
std::vector<std::string> document_metrics(const std::vector<std::string>& metrics) {
  std::vector<std::string> names;
  for (const std::string& metric : metrics) {
    if (metric.starts_with(kJudged)) names.push_back(metric.substr(kJudged.size()));
  }
  return names;
}

// The cells of a board by name.
class CellIndex {
 public:
  explicit CellIndex(const Board& board) {
    for (const BoardCell& cell : board.cells) cells_[cell.name] = &cell;
  }
  const BoardCell* find(const std::string& name) const {
    const auto found = cells_.find(name);
    return found == cells_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::string, const BoardCell*> cells_;
};

// A cell with what its results say.
class JudgedCell {
 public:
  JudgedCell(const BoardCell& cell, ResultCache& results, const std::vector<std::string>& metrics)
      : cell_(&cell) {
    for (const BoardRun& run : cell.runs) {
      numbers_.push_back(run.result.empty() ? nullptr : results.get(run.result, metrics));
    }
  }

  // nullopt unless every run has a value. Where the images do not come to the value that the
  // trainer reported, they are of another quantity, and nothing is known of its noise.
  std::optional<stats::Cell> by(const std::string& metric) const {
    stats::Cell out;
    for (std::size_t i = 0; i < cell_->runs.size(); ++i) {
      const stats::Resampled* images = images_of(i, metric);
      const auto value = cell_->runs[i].values.find(metric);
      if (value == cell_->runs[i].values.end()) {
        if (images == nullptr || !metric.starts_with(kPerLabel)) return std::nullopt;
        out.push_back({cell_->runs[i].seed, images->estimate, images});
        continue;
      }
      if (!std::isfinite(value->second)) return std::nullopt;
      if (images != nullptr && !stats::alike(images->estimate, value->second)) images = nullptr;
      out.push_back({cell_->runs[i].seed, value->second, images});
    }
    if (out.empty()) return std::nullopt;
    return out;
  }

  // That all its runs have in common; nullptr: none.
  const stats::Resampling* resampling() const {
    const stats::Resampling* common = nullptr;
    for (const Numbers& numbers : numbers_) {
      if (numbers == nullptr || numbers->images == nullptr) return nullptr;
      if (common != nullptr && common->images() != numbers->images->images()) return nullptr;
      common = numbers->images.get();
    }
    return common;
  }

  std::map<std::string, double> floor() const {
    std::map<std::string, double> out;
    if (numbers_.empty() || numbers_.front() == nullptr) return out;
    for (const auto& [name, value] : numbers_.front()->floor) out[kJudged + name] = value;
    return out;
  }

  std::vector<std::string> labels() const {
    return numbers_.empty() || numbers_.front() == nullptr ? std::vector<std::string>()
                                                           : numbers_.front()->labels;
  }

 private:
  const stats::Resampled* images_of(std::size_t i, const std::string& metric) const {
    if (numbers_[i] == nullptr || !metric.starts_with(kJudged)) return nullptr;
    const auto found = numbers_[i]->metrics.find(metric.substr(kJudged.size()));
    return found == numbers_[i]->metrics.end() ? nullptr : &found->second;
  }

  const BoardCell* cell_;
  std::vector<Numbers> numbers_;  // of each run; nullptr: none
};

// What two cells have in common; nullptr: images cannot be paired.
const stats::Resampling* common(const stats::Resampling* a, const stats::Resampling* b) {
  return a != nullptr && b != nullptr && a->images() == b->images() ? a : nullptr;
}

stats::Contender contender_of(const stats::Cell& cell, const stats::Resampling* resampling) {
  stats::Contender out;
  std::vector<const stats::SeedRun*> order;
  for (const stats::SeedRun& run : cell) order.push_back(&run);
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return a->seed < b->seed; });
  const bool images = resampling != nullptr &&
                      std::all_of(cell.begin(), cell.end(),
                                  [](const stats::SeedRun& run) { return run.images != nullptr; });
  for (const stats::SeedRun* run : order) {
    out.mean += run->value / static_cast<double>(cell.size());
    out.seeds.push_back(run->seed);
    out.runs.values.push_back(run->value);
    if (!images) continue;
    const auto noise = stats::noise_vector(
        {run->images->influence.begin(), run->images->influence.end()}, resampling->images());
    out.runs.noise.emplace_back(noise.begin(), noise.end());
  }
  return out;
}

// One board at work.
class Desk {
 public:
  Desk(const Board& board, const CellIndex& cells, ResultCache& results)
      : board_(board), cells_(cells), results_(results) {}

  CellNumbers judge(const BoardCell& cell) {
    CellNumbers out;
    std::vector<std::string> metrics = board_.metrics;
    JudgedCell judged(cell, results_, document_metrics(metrics));
    if (board_.per_label) {
      for (const std::string& label : judged.labels()) metrics.push_back(kPerLabel + label);
      judged = JudgedCell(cell, results_, document_metrics(metrics));
    }
    const BoardCell* baseline = cell.baseline == cell.name ? nullptr : cells_.find(cell.baseline);
    std::optional<JudgedCell> against;
    if (baseline != nullptr && baseline->protocol == cell.protocol) {
      against.emplace(*baseline, results_, document_metrics(metrics));
    }
    for (const std::string& metric : metrics) {
      const std::optional<stats::Cell> runs = judged.by(metric);
      if (!runs) continue;
      MetricNumbers& made = out.metrics[metric];
      made.estimate = stats::estimate(*runs, judged.resampling());
      if (against) made.comparison = compare(*runs, *against, judged, metric);
      if (metric == board_.metrics.front() && cell.ranked) {
        out.contender = contender_of(*runs, judged.resampling());
      }
    }
    out.floor = judged.floor();
    return out;
  }

 private:
  static std::optional<stats::Comparison> compare(const stats::Cell& runs,
                                                  const JudgedCell& against,
                                                  const JudgedCell& judged,
                                                  const std::string& metric) {
    const std::optional<stats::Cell> base = against.by(metric);
    if (!base) return std::nullopt;
    return stats::compare(runs, *base, common(judged.resampling(), against.resampling()));
  }

  const Board& board_;
  const CellIndex& cells_;
  ResultCache& results_;
};

// What is known already of cells that stand as they stood, beside the same baseline.
class Known {
 public:
  Known(const Board& board, const CellIndex& cells, const BoardStatistics* previous)
      : cells_(cells), previous_(previous) {
    if (previous_ == nullptr) return;
    if (board.metrics != previous_->board.metrics ||
        board.per_label != previous_->board.per_label) {
      previous_ = nullptr;
      return;
    }
    old_.emplace(previous_->board);
  }

  // Its place in the previous statistics.
  std::optional<std::size_t> place(const BoardCell& cell) const {
    if (previous_ == nullptr) return std::nullopt;
    const BoardCell* old = old_->find(cell.name);
    if (old == nullptr || !(*old == cell)) return std::nullopt;
    const auto place = static_cast<std::size_t>(old - previous_->board.cells.data());
    if (previous_->cells[place].numbers == nullptr) return std::nullopt;
    const BoardCell* base = cells_.find(cell.baseline);
    const BoardCell* old_base = old_->find(cell.baseline);
    const bool absent = base == nullptr && old_base == nullptr;
    const bool same = base != nullptr && old_base != nullptr && *base == *old_base;
    if (!absent && !same) return std::nullopt;
    return place;
  }

 private:
  const CellIndex& cells_;
  const BoardStatistics* previous_;
  std::optional<CellIndex> old_;
};

// Holm over the comparisons of one study by one metric; those of labels are a family of their own.
void adjust(BoardStatistics& all) {
  struct Member {
    std::string metric;
    CellStatistics* cell;
  };
  struct Family {
    std::vector<Member> members;
    std::vector<double> p;
  };
  std::map<std::pair<std::string, std::string>, Family> families;
  for (std::size_t i = 0; i < all.cells.size(); ++i) {
    for (const auto& [metric, made] : all.cells[i].numbers->metrics) {
      if (!made.comparison || !made.comparison->p) continue;
      const bool label = metric.starts_with(kPerLabel);
      Family& family = families[{all.board.cells[i].study, label ? kPerLabel : metric}];
      family.members.push_back({metric, &all.cells[i]});
      family.p.push_back(*made.comparison->p);
    }
  }
  for (const auto& [name, family] : families) {
    const std::vector<double> adjusted = stats::holm(family.p);
    for (std::size_t i = 0; i < adjusted.size(); ++i) {
      family.members[i].cell->p_holm[family.members[i].metric] = adjusted[i];
    }
  }
}

// Of other images than the first one's: no difference can be paired with them.
bool of_other_images(const stats::Contender& first, const stats::Contender& each) {
  if (each.runs.noise.empty() || first.runs.noise.empty()) return false;
  return each.runs.noise.front().size() != first.runs.noise.front().size();
}

void rank(BoardStatistics& all) {
  std::vector<CellStatistics*> ranked;
  stats::Contenders contenders;
  bool comparable = true;
  for (CellStatistics& cell : all.cells) {
    const stats::Contender& contender = cell.numbers->contender;
    if (contender.seeds.empty()) continue;
    ranked.push_back(&cell);
    contenders.emplace_back(contender);
    comparable = comparable && !of_other_images(contenders.front(), contender);
  }
  if (!comparable) return;
  const std::vector<stats::Rank> ranks = stats::ranks(contenders, all.board.maximize);
  for (std::size_t k = 0; k < ranked.size(); ++k) ranked[k]->rank = ranks[k];
}

}  // namespace

BoardStatistics board_statistics(Board board, const BoardStatistics* previous, ResultCache& results,
                                 const std::function<bool()>& enough) {
  BoardStatistics out;
  out.board = std::move(board);
  out.cells.resize(out.board.cells.size());
  const CellIndex cells(out.board);
  const Known known(out.board, cells, previous);
  Desk desk(out.board, cells, results);
  std::size_t made = 0;
  std::size_t lacking = 0;
  for (std::size_t i = 0; i < out.cells.size(); ++i) {
    if (const std::optional<std::size_t> old = known.place(out.board.cells[i])) {
      out.cells[i].numbers = previous->cells[*old].numbers;
    } else if (made > 0 && enough()) {
      ++lacking;
    } else {
      out.cells[i].numbers = std::make_shared<const CellNumbers>(desk.judge(out.board.cells[i]));
      ++made;
    }
  }
  out.complete = lacking == 0;
  if (!out.complete) return out;
  adjust(out);
  rank(out);
  return out;
}

}  // namespace sarsweep::coordinator
