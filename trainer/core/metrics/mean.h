#pragma once

#include <nlohmann/json.hpp>

namespace sarsweep::trainer {

// The mean of the numbers there are; null where there is none.
struct Mean {
  double sum = 0;
  int n = 0;

  void add(double value) {
    sum += value;
    ++n;
  }
  void add(const Mean& other) {
    sum += other.sum;
    n += other.n;
  }
  nlohmann::json value() const {
    return n == 0 ? nlohmann::json(nullptr) : nlohmann::json(sum / n);
  }
};

}  // namespace sarsweep::trainer
