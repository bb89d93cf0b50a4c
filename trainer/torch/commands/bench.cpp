#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "schema/base/philox.h"
#include "trainer/core/schedule/draws.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/vocabulary.h"
#include "trainer/torch/training/diffusion_step.h"

namespace sarsweep::trainer {
namespace {

struct BenchOptions {
  std::string preset = "tiny", mode = "full", vocabulary;
  std::int64_t updates = 20, warmup = 3, batch = 4, latents = 16, rank = 4;
};

at::Tensor normals(const std::string& purpose, const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  std::vector<float> values(static_cast<std::size_t>(count));
  RandomStream(0, purpose, 0).fill_normal(values.data(), values.size());
  return at::from_blob(values.data(), shape, at::kFloat).clone();
}

// Cached latents and text: what a run with frozen text encoders feeds the step.
TrainBatch make_batch(const UNetConfig& unet, std::int64_t pooled, const BenchOptions& options) {
  const std::int64_t n = options.batch;
  const std::vector<std::int64_t> latent = {n, unet.in_channels, options.latents, options.latents};
  TrainBatch batch;
  batch.latents = normals("bench_latents", latent);
  batch.noise = normals("bench_noise", latent);
  batch.offset_noise = normals("bench_offset", {n, unet.in_channels, 1, 1});
  batch.conditioning = Conditioning{normals("bench_context", {n, 77, unet.cross_attention_dim}),
                                    normals("bench_pooled", {n, pooled})};
  std::vector<std::int64_t> timesteps;
  for (std::int64_t i = 0; i < n; ++i) {
    timesteps.push_back(SampleDraws(0, static_cast<std::uint64_t>(i)).timestep());
  }
  batch.timesteps = at::from_blob(timesteps.data(), {n}, at::kLong).clone();
  const auto side = static_cast<double>(8 * options.latents);
  batch.time_ids = at::full({n, 6}, side);
  batch.time_ids.narrow(1, 2, 2).zero_();  // the crop's corner
  return batch;
}

RunConfig bench_config(const BenchOptions& options) {
  nlohmann::json network = {{"mode", options.mode}};
  if (options.mode == "lora") network["rank"] = options.rank;
  return parse_run_config(
      {{"unet", network},
       {"train", {{"steps", options.updates}, {"global_batch", options.batch}}}});
}

nlohmann::json bench(const BenchOptions& options) {
  using Clock = std::chrono::steady_clock;
  Pipeline pipeline =
      init_pipeline(preset_configs(options.preset), 0, vocabulary_file(options.vocabulary));
  DiffusionStep step(pipeline, bench_config(options), {}, 0);
  const std::int64_t pooled = pipeline.text_encoder_2.config().projection_dim;
  const TrainBatch batch = make_batch(pipeline.unet.config(), pooled, options);

  std::vector<double> milliseconds;
  double loss = 0;
  for (std::int64_t i = 0; i < options.warmup + options.updates; ++i) {
    const Clock::time_point start = Clock::now();
    loss = step.micro(batch, options.batch).loss.mean().item<double>();
    step.rule().apply(i);
    const std::chrono::duration<double, std::milli> spent = Clock::now() - start;
    if (i >= options.warmup) milliseconds.push_back(spent.count());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const double median = milliseconds[milliseconds.size() / 2];
  return {{"preset", options.preset},
          {"mode", options.mode},
          {"batch", options.batch},
          {"latents", options.latents},
          {"updates", options.updates},
          {"threads", at::get_num_threads()},
          {"step_ms", median},
          {"step_ms_min", milliseconds.front()},
          {"images_per_s", 1000.0 * static_cast<double>(options.batch) / median},
          {"last_loss", loss}};
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      app.add_subcommand("bench", "Times the training step on random data; prints JSON");
  command->add_option("--preset", options->preset, "tiny, small or sdxl");
  command->add_option("--mode", options->mode, "Of the UNet")
      ->check(CLI::IsMember({"full", "lora"}));
  command->add_option("--updates", options->updates, "Timed; the median is printed")
      ->check(CLI::PositiveNumber);
  command->add_option("--warmup", options->warmup, "Updates before them")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--batch", options->batch, "Images of an update")->check(CLI::PositiveNumber);
  command->add_option("--latents", options->latents, "Side of a latent")
      ->check(CLI::PositiveNumber);
  command->add_option("--rank", options->rank, "Of LoRA factors")->check(CLI::PositiveNumber);
  command->add_option("--vocab", options->vocabulary,
                      fmt::format("open_clip's {}", kVocabularyName));
  command->callback([options, &exit_code] {
    std::cout << bench(*options).dump() << '\n';
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
