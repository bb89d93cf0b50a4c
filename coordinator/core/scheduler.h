#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "schema/protocol/messages.h"

namespace sarsweep::coordinator {

// A run that could start, as the scheduler sees it.
struct Candidate {
  std::int64_t run = 0;
  std::int64_t priority = 0;    // higher first
  std::int64_t sweep = 0;       // older first (ids grow)
  std::int64_t position = 0;    // order in the file
  std::int64_t slots = 1;       // all on one machine
  std::string device = "auto";  // auto | cpu | cuda
  std::int64_t vram = 0;        // bytes the GPU of each must have; 0: any
};

struct Assignment {
  std::int64_t run = 0;
  std::vector<int> slots;
};

// Whether a slot of this device ("cpu", "cuda:0") serves what a run wants (auto, cpu, cuda).
bool fits(const std::string& slot, const std::string& wanted);
// Whether a GPU of so many bytes serves a run that wants that many. What is sold as 24 GiB has
// some MiB less: 3 % are not looked at.
bool has_memory(std::int64_t vram, std::int64_t wanted);

// What to start on the free slots of one machine: the candidates are offered in their order, and
// one that does not fit is passed over. Pure.
class GrantPlan {
 public:
  explicit GrantPlan(std::vector<Slot> free) : free_(std::move(free)) {}

  bool full() const { return free_.empty(); }
  void offer(const Candidate& candidate);
  const std::vector<Assignment>& grants() const { return grants_; }

 private:
  std::vector<Slot> free_;
  std::vector<Assignment> grants_;
};

}  // namespace sarsweep::coordinator
