#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// What prompts encode to, remembered while no text encoder trains. Each prompt is encoded alone, so
// that its bytes do not depend on its company. Beyond a budget of memory prompts are encoded anew.
class TextCache {
 public:
  explicit TextCache(const Pipeline& pipeline) : pipeline_(pipeline) {}
  Conditioning encode(const std::vector<std::string>& prompts);  // stacked, no gradient

 private:
  Conditioning encode_one(const std::string& prompt);

  const Pipeline& pipeline_;
  std::unordered_map<std::string, Conditioning> known_;
  std::size_t bytes_ = 0;
};

}  // namespace sarsweep::trainer
