#pragma once

#include <string>

namespace sarsweep::trainer {

// Where a tensor of a CLIP model lies in open_clip's file: "visual.…" the image tower,
// "transformer.…", "token_embedding.…" and so on the text tower.
struct OpenClipPlace {
  std::string name;
  int part = -1;            // 0, 1, 2: query, key or value in one tensor, one below the other
  bool transposed = false;  // a projection [in,out], in place of [out,in]
};
// `name`: transformers' ("vision_model.encoder.layers.0.self_attn.q_proj.weight", "logit_scale").
// Throws Error(invalid) for a name that no CLIP model has.
OpenClipPlace open_clip_place(const std::string& name);

}  // namespace sarsweep::trainer
