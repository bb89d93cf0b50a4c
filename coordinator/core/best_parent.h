#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "coordinator/store/run_store.h"
#include "coordinator/sweep/best_ref.h"

// Parents that are chosen by result: `parent: {best: STUDY}`.
namespace sarsweep::coordinator {

// The reference a run was submitted with; nullopt for a named parent or none.
std::optional<sweep::BestRef> best_ref_of(const RunRow& run);

// How far a study is from its end.
struct StudyLook {
  std::int64_t left = 0;  // runs that can still become done
  std::string next;       // name of the first of them
};
StudyLook look_at_study(Connection& connection, std::int64_t sweep, const std::string& study);

struct Choice {
  std::optional<RunRow> parent;
  std::string why_not;  // no parent: the reason; empty while the study goes on
};

// Chooses parents. A study is ranked once and remembered: use one object per transaction, and make
// a new one after any run has moved.
class ParentChooser {
 public:
  explicit ParentChooser(Connection& connection) : connection_(connection) {}

  // Ranks the study's cells by the mean of `by` over their done seeds, lowest first, ties in the
  // order of the file. A run counts by the newest value at or before the checkpoint the child would
  // start from; runs and cells without a finite one do not take part. Failed, cancelled and blocked
  // runs count as ended.
  Choice choose(const RunRow& child, const sweep::BestRef& best);

 private:
  struct Cell {
    std::string name;
    std::vector<RunRow> runs;    // done, with a value
    std::vector<double> values;  // of each
    double mean = 0;
  };
  using Ranking = std::vector<Cell>;

  const std::optional<Ranking>& ranking(const RunRow& child, const sweep::BestRef& best);
  Ranking rank(const RunRow& child, const sweep::BestRef& best);

  Connection& connection_;
  // sweep, study, by, checkpoint; nullopt while the study goes on
  std::map<std::tuple<std::int64_t, std::string, std::string, std::string>, std::optional<Ranking>>
      rankings_;
};

}  // namespace sarsweep::coordinator
