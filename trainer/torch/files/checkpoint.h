#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

#include "trainer/core/run/checkpoint_dir.h"
#include "trainer/torch/model/component.h"

namespace sarsweep::trainer {

// What a run needs to go on exactly where it was, at an update boundary:
//   weights.safetensors    every trained tensor, fp32, by its trained name ("unet.conv_in.weight",
//                          "text_encoder.<module>.lora_A.weight", "vae.decoder.…")
//   optimizer.safetensors  the optimizer's tensors
//   ema.safetensors        the averaged weights, by the same names; only with train.ema_decay
//   state.json             counters and open sums (the training loop's)
//   model.json             {"base": absolute path of the folder or checkpoint these weights lie
//   over,
//                           "base_digest", "adapters": {component: {"rank", "alpha", "targets"}},
//                           "tokens": [text of row 0 of clip_l and clip_g, …], "pool",
//                           "uncond": "zeros" | "encode_empty", "vae_scaling_factor",
//                           "prediction_type"}
struct CheckpointContents {
  long step = 0;  // finished updates
  NamedTensors weights, optimizer, ema;
  nlohmann::json state, model;
};

// Writes and seals <checkpoints>/step-…; `facts` go into the manifest.
SealedCheckpoint save_checkpoint(const std::filesystem::path& checkpoints,
                                 const CheckpointContents& contents, const nlohmann::json& facts);
// For whoever reads a checkpoint that lies over `depth` others. Throws Error(invalid) where those
// are so many that it can only be a circle.
void require_end(const std::filesystem::path& checkpoint, int depth);
// Reads a verified checkpoint.
CheckpointContents load_checkpoint(const SealedCheckpoint& checkpoint);

}  // namespace sarsweep::trainer
