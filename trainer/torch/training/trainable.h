#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "trainer/core/config/run_config.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// Tensors that share a learning rate. The handles are the pipeline's own: training them changes the
// pipeline.
struct ParameterGroup {
  std::string
      name;  // "unet", "text_encoder_1", "text_encoder_2", "vae", "token": of train/lr_<name>
  double lr = 0;
  bool decays = true;  // by train.weight_decay
  // By trained name: "unet.<diffusers key>", "text_encoder.<key>", "text_encoder_2.<key>",
  // "vae.<key>", adapters "<component>.<module>.lora_A.weight" and lora_B, token rows "clip_l" and
  // "clip_g".
  NamedTensors tensors;
  // Where gradients are kept together (AdamW::keep_gradients_together), as `tensors`; else empty.
  std::vector<at::Tensor> gradients = {};
};

// By tensor: the copies that layers and adapters of a pipeline compute with.
using ComputeCopies = std::unordered_map<const c10::TensorImpl*, ComputeCopy*>;
ComputeCopies compute_copies(Pipeline& pipeline);

// Makes the pipeline trainable as `config` says: requires_grad on what trains and off on all else.
// Mode lora attaches adapters drawn from `seed`, unless the component already has them at equal
// rank, alpha and layers: those go on. Other adapters are merged, except in a frozen component,
// which keeps what it has. Of the VAE job vae trains everything, vae.mode decoder `decoder.*` and
// `post_quant_conv.*`: latents stay what they are. The tokens of token.text are added to the
// vocabulary; token.train trains the rows of all learned tokens of the pipeline. Empty groups are
// left out. Throws Error(invalid) if nothing trains.
std::vector<ParameterGroup> select_trainable(Pipeline& pipeline, const RunConfig& config,
                                             std::uint64_t seed);

NamedTensors all_tensors(const std::vector<ParameterGroup>& groups);

// Copies the given trained tensors over the groups' (by trained name). Throws Error(invalid) for a
// name that does not train here or another shape.
void load_tensors_into(const std::vector<ParameterGroup>& groups, const NamedTensors& values);

}  // namespace sarsweep::trainer
