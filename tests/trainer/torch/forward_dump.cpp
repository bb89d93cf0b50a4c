// Runs every part of a pipeline folder on given inputs, for tests/conformance/models_test.py:
//   forward_dump PIPELINE INPUTS.safetensors OUTPUTS.safetensors
//   forward_dump --forward PIPELINE INPUTS.safetensors OUTPUTS.safetensors   without gradients
// or a prompt and ten Euler steps from noise, for tests/conformance/recorded_run_test.py:
//   forward_dump --sample MODEL PROMPT OUTPUTS.safetensors   MODEL: as `sample --model` takes it
// or loads a pipeline and saves it again: forward_dump --copy PIPELINE TARGET
// or lists a configuration's tensors without allocating them:
//   forward_dump --shapes PRESET | --single-file PRESET | --adapters PRESET TARGETS RANK
#include <ATen/TensorOperators.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstring>
#include <iostream>
#include <map>
#include <string>

#include <c10/core/GradMode.h>

#include "trainer/torch/files/model_source.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/tensor_file.h"
#include "trainer/torch/model/pipeline.h"
#include "trainer/torch/sampling/sampler.h"

namespace {

using namespace sarsweep::trainer;
using TensorMap = std::map<std::string, at::Tensor>;

// Gradients of <output, projection> with respect to every parameter, as "grad.PART.NAME".
void append_gradients(const Component& component, const std::string& part, const at::Tensor& output,
                      const at::Tensor& projection, NamedTensors& results) {
  torch::autograd::backward({(output * projection).sum()}, {});
  for (const auto& [name, tensor] : component.parameters()) {
    if (tensor.grad().defined()) results.emplace_back("grad." + part + "." + name, tensor.grad());
  }
}

void dump_unet(Pipeline& pipeline, TensorMap& in, NamedTensors& results) {
  pipeline.unet.require_grad(true);
  const at::Tensor output = pipeline.unet.forward(in["sample"], in["timesteps"], in["context"],
                                                  in["pooled"], in["time_ids"]);
  results.emplace_back("unet", output.detach());
  append_gradients(pipeline.unet, "unet", output, in["unet_projection"], results);
}

void dump_vae(Pipeline& pipeline, TensorMap& in, NamedTensors& results) {
  const Moments moments = pipeline.vae.encode(in["pixels"]);
  results.emplace_back("vae_mean", moments.mean);
  results.emplace_back("vae_log_variance", moments.log_variance);
  pipeline.vae.require_grad(true);
  const at::Tensor decoded = pipeline.vae.decode(in["latents"]);
  results.emplace_back("vae_decoded", decoded.detach());
  append_gradients(pipeline.vae, "vae", decoded, in["vae_projection"], results);
}

void dump_text(Pipeline& pipeline, TensorMap& in, NamedTensors& results) {
  results.emplace_back("text_hidden", pipeline.text_encoder.forward(in["ids"]).hidden);
  pipeline.text_encoder_2.require_grad(true);
  const TextFeatures features = pipeline.text_encoder_2.forward(in["ids_2"]);
  results.emplace_back("text_hidden_2", features.hidden.detach());
  results.emplace_back("text_pooled_2", features.pooled.detach());
  append_gradients(pipeline.text_encoder_2, "text_encoder_2", features.pooled,
                   in["text_projection"], results);
  const c10::NoGradGuard no_grad;
  results.emplace_back("prompt_context", encode_ids(pipeline, in["ids"], in["ids_2"]).context);
}

void dump(const char* folder, const char* inputs, const char* outputs) {
  Pipeline pipeline = load_pipeline(folder);
  TensorMap in;
  for (auto& [name, tensor] : load_tensors(inputs)) in.emplace(name, tensor);
  NamedTensors results;
  dump_unet(pipeline, in, results);
  dump_vae(pipeline, in, results);
  dump_text(pipeline, in, results);
  save_tensors(outputs, results, DType::f32);
}

// For tests/conformance/full_size.py: no graph, so that the full size fits.
void dump_forward(const char* folder, const char* inputs, const char* outputs) {
  const c10::NoGradGuard no_grad;
  const Pipeline pipeline = load_pipeline(folder);
  TensorMap in;
  for (auto& [name, tensor] : load_tensors(inputs)) in.emplace(name, tensor);
  const TextFeatures second = pipeline.text_encoder_2.forward(in["ids_2"]);
  const NamedTensors results = {
      {"unet", pipeline.unet.forward(in["sample"], in["timesteps"], in["context"], in["pooled"],
                                     in["time_ids"])},
      {"vae_mean", pipeline.vae.encode(in["pixels"]).mean},
      {"vae_decoded", pipeline.vae.decode(in["latents"])},
      {"text_hidden", pipeline.text_encoder.forward(in["ids"]).hidden},
      {"text_hidden_2", second.hidden},
      {"text_pooled_2", second.pooled}};
  save_tensors(outputs, results, DType::f32);
}

// A picture that is higher than wide, whose noise is written down, too.
void dump_sample(const char* model, const char* prompt, const char* outputs) {
  constexpr int kHeight = 96, kWidth = 64, kEdge = 8;
  const c10::NoGradGuard no_grad;
  const Pipeline pipeline = load_model(model).pipeline;
  SampleOptions options;
  options.steps = 10;
  options.height = kHeight;
  options.width = kWidth;
  const Conditioning text = encode_prompts(pipeline, {prompt});
  const at::Tensor latents = sample_latents(pipeline, {{prompt, 0, 0, {}}}, options);
  const NamedTensors results = {
      {"context", text.context},
      {"pooled", text.pooled},
      {"noise", sample_noise(0, 0, kHeight / kEdge, kWidth / kEdge)},
      {"latents", latents},
      {"pixels", pipeline.vae.decode(latents / pipeline.vae.config().scaling_factor)}};
  save_tensors(outputs, results, DType::f32);
}

void print_shape(std::string_view part, const std::string& name, at::IntArrayRef shape) {
  fmt::print("{} {} {}\n", part, name, fmt::join(shape.begin(), shape.end(), ","));
}

void list_shapes(const char* preset) {
  for (const PartTensor& tensor : pipeline_tensors(preset_configs(preset))) {
    print_shape(to_string(tensor.part), tensor.name, tensor.shape);
  }
}

void list_single_file(const char* preset) {
  for (const auto& tensor : single_file_layout(pipeline_tensors(preset_configs(preset)))) {
    print_shape("single_file", tensor.name, tensor.shape);
  }
}

// Both factors of every adapter of the UNet, by PEFT's names.
void list_adapters(const char* preset, const char* targets, std::int64_t rank) {
  PipelineSkeleton skeleton(preset_configs(preset));
  attach_adapters(skeleton.unet, ComponentKind::unet, targets, rank, 1.0, LoraInit::kaiming, 0);
  for (const Layer* layer : skeleton.unet.layers()) {
    if (!layer->adapter) continue;
    print_shape("unet", layer->name + ".lora_A.weight", layer->adapter->down.sizes());
    print_shape("unet", layer->name + ".lora_B.weight", layer->adapter->up.sizes());
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc == 3 && std::strcmp(argv[1], "--shapes") == 0) {
    list_shapes(argv[2]);
  } else if (argc == 3 && std::strcmp(argv[1], "--single-file") == 0) {
    list_single_file(argv[2]);
  } else if (argc == 5 && std::strcmp(argv[1], "--adapters") == 0) {
    list_adapters(argv[2], argv[3], std::stol(argv[4]));
  } else if (argc == 4 && std::strcmp(argv[1], "--copy") == 0) {
    save_pipeline(load_pipeline(argv[2]), argv[3], DType::f32);
  } else if (argc == 5 && std::strcmp(argv[1], "--forward") == 0) {
    dump_forward(argv[2], argv[3], argv[4]);
  } else if (argc == 5 && std::strcmp(argv[1], "--sample") == 0) {
    dump_sample(argv[2], argv[3], argv[4]);
  } else if (argc == 4) {
    dump(argv[1], argv[2], argv[3]);
  } else {
    std::cerr << "usage: forward_dump [--forward] PIPELINE INPUTS OUTPUTS | --copy FROM TO | "
                 "--sample MODEL PROMPT OUTPUTS | --shapes PRESET | "
                 "--single-file PRESET | --adapters PRESET TARGETS RANK\n";
    return 2;
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "forward_dump: " << error.what() << '\n';
  return 1;
}
