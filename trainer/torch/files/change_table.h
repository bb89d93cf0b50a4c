#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace sarsweep::trainer {

// The block of a network that a tensor belongs to, by diffusers' or transformers' name:
// "down_blocks.1.attentions.0.proj_in.weight" -> "down.1.attentions.0",
// "mid_block.resnets.1.conv1.bias" -> "mid.resnets.1", "time_embedding.linear_1.weight" ->
// "time_embedding", "text_model.encoder.layers.3.mlp.fc1.bias" -> "layers.3"; of a VAE with
// "encoder." or "decoder." before it.
std::string block_of(const std::string& name);

// How much the weights of a model changed, block by block (MAWC, arXiv 2506.13307 A.1). Sums are
// fp64; a tensor is looked at once.
class ChangeTable {
 public:
  static constexpr double kThreshold = 5e-4;  // the paper's "resolution"

  // Two tensors of one shape, fp64 on the CPU.
  void add(const std::string& part, const std::string& name, const at::Tensor& base,
           const at::Tensor& tuned);

  // {"threshold", "blocks": [{"part", "block", "tensors", "parameters", "mean", "weighted_mean",
  // "share", "relative"}], "parts": {part: the same without part and block}}
  //   mean           the unweighted mean, over the tensors, of their mean |w1 - w0|: the paper's
  //   weighted_mean  mean |w1 - w0| over all numbers
  //   share          of the numbers with |w1 - w0| > threshold
  //   relative       weighted_mean over the mean |w0|; null where that is 0
  // Blocks and parts in the order in which they came.
  nlohmann::json document() const;

 private:
  struct Sums {
    std::string part, block;
    std::int64_t tensors = 0, parameters = 0, above = 0;
    double of_means = 0, change = 0, magnitude = 0;

    void add(const Sums& other);
    nlohmann::json row() const;
  };
  static Sums& find(std::vector<Sums>& rows, const std::string& part, const std::string& block);

  std::vector<Sums> blocks_, parts_;
};

// The table of document() as text, a line a block and one a part.
std::string change_text(const nlohmann::json& document);

}  // namespace sarsweep::trainer
