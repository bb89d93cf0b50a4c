#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {

// How the adapters of one component were made.
struct AdapterSettings {
  std::int64_t rank = 0;
  double alpha = 0;
  std::string targets;
  bool operator==(const AdapterSettings&) const = default;
};
// By component: "unet", "text_encoder", "text_encoder_2".
using AdapterTable = std::map<std::string, AdapterSettings>;
nlohmann::json to_json(const AdapterTable& adapters);
AdapterTable parse_adapter_table(const nlohmann::json& json);

// A model as a run starts from it.
struct ModelSource {
  Pipeline pipeline;      // with the adapters of a checkpoint attached
  AdapterTable adapters;  // what is attached
  std::string digest;     // SHA-256 over the content, wherever the files lie
};

// `path`: a diffusers folder, SDXL in a single file, or a checkpoint of a run. A checkpoint loads
// its base first (itself any of these), then lays its own weights over it. Throws Error(invalid) or
// Error(not_found) naming the path that is at fault.
ModelSource load_model(const std::filesystem::path& path);

// The component a trained name begins with ("unet.conv_in.weight" -> unet) and the rest of the
// name.
struct TrainedName {
  Component* component = nullptr;
  std::string component_name, rest;
};
// Throws Error(invalid) for a name no component has.
TrainedName resolve_trained_name(Pipeline& pipeline, const std::string& name);

// Copies trained tensors over the pipeline's; adapters are attached by `adapters`.
void overlay_weights(Pipeline& pipeline, const NamedTensors& weights, const AdapterTable& adapters);

// SHA-256 over the names and bytes of those parameters whose name begins with one of `prefixes`.
std::string parameters_digest(const Component& component, const std::vector<std::string>& prefixes);

}  // namespace sarsweep::trainer
