#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trainer/core/config/model_config.h"
#include "trainer/torch/model/component.h"
#include "trainer/torch/model/recompute.h"

namespace sarsweep::trainer {

struct TextFeatures {
  at::Tensor hidden;  // output of the last layer but one, no final norm: [B,77,d]
  at::Tensor pooled;  // last layer -> final norm -> row of the pooled position -> projection:
                      // [B,p]; undefined without a projection
};

// Where the pooled row is taken. first_eos: at the first EOS. argmax: at the greatest id, which is
// an added token where the prompt holds one, as transformers does for eos_token_id 2.
enum class Pooling { first_eos, argmax };

// CLIPTextModel / CLIPTextModelWithProjection; names "text_model.…", "text_projection.weight".
class ClipText : public Component {
 public:
  // Uninitialised parameters; at::kMeta: names and shapes alone.
  explicit ClipText(ClipTextConfig config, at::Device device = at::kCPU);
  ClipText(ClipText&&) noexcept;
  ClipText& operator=(ClipText&&) noexcept;
  ~ClipText();

  // Of the layers whose output the next one alone reads; keep at first.
  void set_activations(Activations activations) { activations_ = activations; }
  Activations activations() const { return activations_; }

  // ids [B,77] int64; computes in `type`.
  TextFeatures forward(const at::Tensor& ids, at::ScalarType type = at::kFloat) const;
  const ClipTextConfig& config() const { return config_; }
  // At first as the config says (ClipTextConfig::pools_greatest_id). The config follows where the
  // vocabulary is larger than CLIP's, so that transformers pools at the same place.
  Pooling pooling() const { return pooling_; }
  void set_pooling(Pooling pooling);

  // Learned tokens (learned_tokens.h): where an id is ids[i], rows[i] is read in place of what the
  // table holds. rows: [n,d] fp32, undefined without tokens; gradients flow to it.
  void set_token_rows(std::vector<std::int64_t> ids, at::Tensor rows);
  const std::vector<std::int64_t>& token_ids() const { return token_ids_; }
  const at::Tensor& token_rows() const { return token_rows_; }
  // Another table [v,d]; drops the learned tokens' own rows. The config follows.
  void replace_table(const at::Tensor& table);

 private:
  at::Tensor embed(const at::Tensor& ids) const;

  struct Layers;
  ClipTextConfig config_;
  std::unique_ptr<Layers> layers_;
  Pooling pooling_;
  Activations activations_ = Activations::keep;
  std::vector<std::int64_t> token_ids_;
  at::Tensor token_rows_;
};

}  // namespace sarsweep::trainer
