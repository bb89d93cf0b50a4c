#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "trainer/core/images/amplitude.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/files/lora_file.h"
#include "trainer/torch/files/model_source.h"
#include "trainer/torch/sampling/sampler.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

struct SampleRequest {
  std::string model, prompt, prompts_file, out;
  std::vector<std::string> loras;
  std::int64_t seed = 0;
  int count = 1, size = 0, bits = 16;
  SampleOptions options;
};

// One prompt a line; empty lines are skipped.
std::vector<std::string> wanted_prompts(const SampleRequest& request) {
  if (request.prompts_file.empty()) return {request.prompt};
  std::istringstream lines(read_file(request.prompts_file));
  std::vector<std::string> prompts;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) prompts.push_back(line);
  }
  if (prompts.empty()) {
    throw Error(ErrorCode::invalid, fmt::format("{} holds no prompt", request.prompts_file));
  }
  return prompts;
}

void merge_all(Pipeline& pipeline) {
  for (Component* part :
       {static_cast<Component*>(&pipeline.unet), static_cast<Component*>(&pipeline.text_encoder),
        static_cast<Component*>(&pipeline.text_encoder_2)}) {
    merge_adapters(*part);
  }
}

// The model, a folder or a run's checkpoint, with its own adapters and those of the files merged.
Pipeline load_with_adapters(const SampleRequest& request) {
  Pipeline pipeline = std::move(load_model(request.model).pipeline);
  merge_all(pipeline);
  for (const std::string& file : request.loras) {
    load_lora(file, pipeline);
    merge_all(pipeline);
  }
  return pipeline;
}

// [3,H,W] in [-1,1] to one channel in [0,1].
AmplitudeImage amplitude_of(const at::Tensor& picture) {
  const at::Tensor grey = ((picture.mean(0) + 1) / 2).contiguous();
  AmplitudeImage image{static_cast<int>(grey.size(0)), static_cast<int>(grey.size(1)), {}};
  image.pixels.resize(static_cast<std::size_t>(grey.numel()));
  std::memcpy(image.pixels.data(), grey.const_data_ptr<float>(),
              image.pixels.size() * sizeof(float));
  return image;
}

nlohmann::json metadata_row(const SampleRequest& request, const std::string& file,
                            const std::string& prompt, std::size_t item) {
  return {{"file_name", file},
          {"text", prompt},
          {"seed", request.seed},
          {"item", item},
          {"sampler", request.options.sampler},
          {"steps", request.options.steps},
          {"cfg", request.options.cfg},
          {"negative", request.options.negative},
          {"model", request.model},
          {"lora", request.loras}};
}

// Pictures are written batch by batch, so that a long list needs no more memory than a short one.
void sample(SampleRequest request) {
  const std::vector<std::string> prompts = wanted_prompts(request);
  const Pipeline pipeline = load_with_adapters(request);
  SampleOptions& options = request.options;
  const auto vae_levels = pipeline.vae.config().block_out_channels.size();
  if (request.size == 0) request.size = pipeline.unet.config().sample_size << (vae_levels - 1);
  options.height = options.width = request.size;
  fs::create_directories(request.out);
  std::string metadata;
  const std::size_t total = prompts.size() * static_cast<std::size_t>(request.count);
  for (std::size_t begin = 0; begin < total; begin += static_cast<std::size_t>(options.batch)) {
    const std::size_t end = std::min(total, begin + static_cast<std::size_t>(options.batch));
    std::vector<std::string> batch;
    std::vector<std::int64_t> items;
    for (std::size_t i = begin; i < end; ++i) {
      batch.push_back(prompts[i / static_cast<std::size_t>(request.count)]);
      items.push_back(static_cast<std::int64_t>(i));
    }
    const std::vector<std::int64_t> seeds(batch.size(), request.seed);
    const at::Tensor pictures = sample_images(pipeline, batch, seeds, items, options);
    for (std::size_t i = begin; i < end; ++i) {
      const std::string file = fmt::format("{:05}.png", i);
      const auto row = static_cast<std::int64_t>(i - begin);
      write_png(fs::path(request.out) / file, amplitude_of(pictures[row]), request.bits);
      metadata += metadata_row(request, file, batch[i - begin], i).dump() + "\n";
    }
    fmt::print("{} of {} pictures\n", end, total);
  }
  write_file_atomically(fs::path(request.out) / "metadata.jsonl", metadata);
}

}  // namespace

void add_sample(CLI::App& app, int& exit_code) {
  const auto request = std::make_shared<SampleRequest>();
  CLI::App* command = app.add_subcommand("sample", "Make pictures from prompts.");
  command->add_option("--model", request->model, "a diffusers folder, a single file or a checkpoint of a run")
      ->required();
  command->add_option("--lora", request->loras, "adapters to merge (PEFT or kohya files)");
  CLI::Option* prompt = command->add_option("--prompt", request->prompt, "what to show");
  CLI::Option* file =
      command->add_option("--prompts", request->prompts_file, "a file, one prompt a line");
  prompt->excludes(file);
  command->add_option("--out", request->out, "folder of the pictures and metadata.jsonl")
      ->required();
  command->add_option("--count", request->count, "pictures of each prompt")
      ->check(CLI::PositiveNumber);
  command->add_option("--seed", request->seed, "picture i starts from (seed, i)");
  command->add_option("--size", request->size, "edge in pixels; the model's own by default")
      ->check(CLI::PositiveNumber);
  command->add_option("--bits", request->bits, "of the PNG's samples")
      ->check(CLI::IsMember({8, 16}));
  SampleOptions& options = request->options;
  command->add_option("--steps", options.steps, "denoising steps")->check(CLI::PositiveNumber);
  command->add_option("--cfg", options.cfg, "classifier-free guidance; 1 turns it off");
  command->add_option("--sampler", options.sampler, "euler or ddim")
      ->check(CLI::IsMember({"euler", "ddim"}));
  command->add_option("--negative", options.negative, "what not to show");
  command->add_option("--batch", options.batch, "pictures at once")->check(CLI::PositiveNumber);
  command->callback([request, &exit_code] {
    if (request->prompt.empty() && request->prompts_file.empty()) {
      throw Error(ErrorCode::invalid, "give --prompt TEXT or --prompts FILE");
    }
    sample(*request);
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
