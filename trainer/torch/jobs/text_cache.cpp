#include "trainer/torch/jobs/text_cache.h"

#include <ATen/ops/cat.h>

#include <c10/core/GradMode.h>

namespace sarsweep::trainer {
namespace {

constexpr std::size_t kBudget = std::size_t{4} << 30;

}  // namespace

Conditioning TextCache::encode_one(const std::string& prompt) {
  if (const auto found = known_.find(prompt); found != known_.end()) return found->second;
  const c10::NoGradGuard no_grad;
  Conditioning encoded = encode_prompts(pipeline_, {prompt});
  const std::size_t bytes = encoded.context.nbytes() + encoded.pooled.nbytes();
  if (bytes_ + bytes <= kBudget) {
    known_.emplace(prompt, encoded);
    bytes_ += bytes;
  }
  return encoded;
}

Conditioning TextCache::encode(const std::vector<std::string>& prompts) {
  std::vector<at::Tensor> contexts, pooled;
  for (const std::string& prompt : prompts) {
    const Conditioning encoded = encode_one(prompt);
    contexts.push_back(encoded.context);
    pooled.push_back(encoded.pooled);
  }
  return {at::cat(contexts), at::cat(pooled)};
}

}  // namespace sarsweep::trainer
