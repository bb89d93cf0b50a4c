#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "trainer/core/files/lora_names.h"
#include "trainer/core/files/safetensors.h"
#include "trainer/torch/files/pipeline_tensors.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// peft: "<component>.<module>.lora_A.weight" and lora_B, alpha in the metadata
// `lora_adapter_metadata` as diffusers reads it. kohya: "lora_unet_<SGM path>.lora_down.weight",
// lora_up and a scalar alpha, always the true one (the effect is alpha / rank), with ss_* and
// modelspec.* metadata.
enum class LoraFormat { peft, kohya };

// Every layer of the UNet and the text encoders that can carry an adapter, with its name in files.
using LoraLayers = std::vector<std::pair<LoraLayerName, Layer*>>;
LoraLayers lora_layers(Pipeline& pipeline);
// Those of a model without weights: its adapters are on the CPU.
LoraLayers lora_layers(PipelineSkeleton& skeleton);

// Writes the pipeline's adapters; factors as f32, f16 or bf16, alpha always f32. `metadata` is
// added to the format's own and wins. Throws Error(invalid) if no layer has an adapter.
void save_lora(const std::filesystem::path& file, Pipeline& pipeline, LoraFormat format,
               DType dtype, const std::map<std::string, std::string>& metadata = {});
void save_lora(const std::filesystem::path& file, const LoraLayers& layers, LoraFormat format,
               DType dtype, const std::map<std::string, std::string>& metadata = {});

// Attaches the adapters of a file (PEFT, kohya, or older diffusers; every spelling of
// accepted_prefixes()) to the layers, in fp32 on the layers' device. Alpha comes from the layer's
// own tensor, else from PEFT's configuration in the file or, for adapters of one model, in the
// adapter_config.json beside it; without any it equals the rank. Returns the number
// of layers. Throws Error(invalid) with the key at fault (unknown layer, wrong shape, half a pair,
// another kind of adapter) or Error(conflict) if a layer has an adapter already; nothing is
// attached then.
std::size_t load_lora(const std::filesystem::path& file, Pipeline& pipeline);
std::size_t load_lora(const std::filesystem::path& file, const LoraLayers& layers);

}  // namespace sarsweep::trainer
