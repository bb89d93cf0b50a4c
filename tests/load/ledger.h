#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "schema/base/guarded.h"

namespace sarsweep::load {

// What one attempt sent, and how much of it the coordinator acknowledged.
struct Account {
  std::int64_t epoch = 0;
  std::int64_t sent_steps = 0, acknowledged_steps = 0;
  bool finished = false;
};

// What the simulated workers know to be stored, and everything that should not have happened.
// Thread-safe.
class Ledger {
 public:
  void granted(const std::string& run_id, std::int64_t epoch);
  void sent(const std::string& run_id, std::int64_t steps);
  void acknowledged(const std::string& run_id, std::int64_t steps);
  void finished(const std::string& run_id);
  // A refusal, a lost lease: the load has failed.
  void fault(const std::string& what);
  // A request without an answer, which is sent again.
  void unanswered(const std::string& what);

  std::map<std::string, Account> accounts() const;
  std::int64_t acknowledged_points() const;
  std::int64_t finished_runs() const;
  std::vector<std::string> faults() const;
  std::map<std::string, int> unanswered() const;  // how often, by what was said

 private:
  struct Books {
    std::map<std::string, Account> accounts;
    std::int64_t acknowledged_steps = 0, finished_runs = 0;
    std::vector<std::string> faults;
    std::map<std::string, int> unanswered;
  };
  Guarded<Books> books_;
};

}  // namespace sarsweep::load
