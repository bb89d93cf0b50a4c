#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace sarsweep::trainer {

// The time this thread spends in each ATen operator while the profile lives, backward included (on
// the CPU the backward pass runs on the thread that asks for it). One at a time; confined to the
// thread that makes it.
class OpProfile {
 public:
  struct Row {
    std::string name;         // "aten::convolution_backward"
    std::int64_t calls = 0;   // also those made inside other operators
    double milliseconds = 0;  // self: without the operators it called
  };

  OpProfile();
  ~OpProfile();
  OpProfile(const OpProfile&) = delete;
  OpProfile& operator=(const OpProfile&) = delete;

  std::vector<Row> rows() const;  // the longest first

  // For the callbacks alone.
  void begin();
  void end(const char* name);

 private:
  using Clock = std::chrono::steady_clock;
  struct Open {
    Clock::time_point begun;
    Clock::duration inner{};
  };

  std::vector<Open> open_;
  std::unordered_map<std::string, Row> rows_;
  std::uint64_t handle_ = 0;
};

}  // namespace sarsweep::trainer
