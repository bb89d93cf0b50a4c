#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "schema/base/philox.h"
#include "trainer/core/schedule/draws.h"
#include "trainer/kernels/peak.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/commands/op_profile.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/vocabulary.h"
#include "trainer/torch/model/device.h"
#include "trainer/torch/model/flops.h"
#include "trainer/torch/training/diffusion_step.h"

namespace sarsweep::trainer {
namespace {

constexpr double kTera = 1e12;

struct BenchOptions {
  std::string preset = "tiny", mode = "full", precision = "fp32", device = "auto", vocabulary;
  std::int64_t updates = 20, warmup = 3, batch = 4, latents = 16, rank = 4;
  std::optional<double> peak_tflops;
  bool profile = false;

  bool bf16() const { return precision == "bf16"; }
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
  return parse_run_config({{"unet", network},
                           {"train",
                            {{"steps", options.updates},
                             {"global_batch", options.batch},
                             {"precision", options.precision}}}});
}

// Milliseconds of each of `count` updates from `first` on.
std::vector<double> time_updates(DiffusionStep& step, const TrainBatch& batch, std::int64_t first,
                                 std::int64_t count, double& loss) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> milliseconds;
  for (std::int64_t i = first; i < first + count; ++i) {
    const Clock::time_point start = Clock::now();
    loss = step.micro(batch, batch.size()).loss.mean().item<double>();
    step.rule().apply(i);
    const std::chrono::duration<double, std::milli> spent = Clock::now() - start;
    milliseconds.push_back(spent.count());
  }
  return milliseconds;
}

// What an update spends its time on, in milliseconds an update, the longest first.
nlohmann::json profile_updates(DiffusionStep& step, const TrainBatch& batch, std::int64_t first,
                               std::int64_t count) {
  const OpProfile profile;
  double loss = 0;
  time_updates(step, batch, first, count, loss);
  const auto updates = static_cast<double>(count);
  nlohmann::json rows = nlohmann::json::array();
  for (const OpProfile::Row& row : profile.rows()) {
    rows.push_back({{"op", row.name},
                    {"calls", static_cast<double>(row.calls) / updates},
                    {"ms", row.milliseconds / updates}});
  }
  return rows;
}

// What an image takes, and which share of the device's peak is used: null where that is not known.
nlohmann::json utilisation(UNet& unet, at::Device device, double images_per_s,
                           const BenchOptions& options) {
  const ForwardFlops forward = forward_flops(unet, options.latents);
  const double flops =
      options.mode == "lora" ? lora_training_flops(forward) : full_training_flops(forward);
  const double tflops = flops * images_per_s / kTera;
  const std::optional<double> peak =
      options.peak_tflops
          ? options.peak_tflops
          : peak_tflops(device_model(device), options.bf16() ? Arithmetic::bf16 : Arithmetic::fp32);
  nlohmann::json result = {{"device", device_model(device)},
                           {"tflop_per_image", flops / kTera},
                           {"tflops", tflops},
                           {"peak_tflops", nullptr},
                           {"mfu", nullptr}};
  if (peak) {
    result["peak_tflops"] = *peak;
    result["mfu"] = tflops / *peak;
  }
  return result;
}

nlohmann::json bench(const BenchOptions& options) {
  const at::Device device = device_named(options.device);
  keep_fp32_whole();
  Pipeline pipeline =
      init_pipeline(preset_configs(options.preset), 0, vocabulary_file(options.vocabulary));
  if (!device.is_cpu()) pipeline.unet.to(device, at::kFloat);
  DiffusionStep step(pipeline, bench_config(options), {}, 0);
  const std::int64_t pooled = pipeline.text_encoder_2.config().projection_dim;
  const TrainBatch batch = to_device(make_batch(pipeline.unet.config(), pooled, options), device);

  double loss = 0;
  time_updates(step, batch, 0, options.warmup, loss);
  std::vector<double> milliseconds =
      time_updates(step, batch, options.warmup, options.updates, loss);
  std::sort(milliseconds.begin(), milliseconds.end());
  const double median = milliseconds[milliseconds.size() / 2];
  const double images_per_s = 1000.0 * static_cast<double>(options.batch) / median;
  nlohmann::json result = {{"preset", options.preset},
                           {"mode", options.mode},
                           {"precision", options.precision},
                           {"batch", options.batch},
                           {"latents", options.latents},
                           {"updates", options.updates},
                           {"threads", at::get_num_threads()},
                           {"step_ms", median},
                           {"step_ms_min", milliseconds.front()},
                           {"images_per_s", images_per_s},
                           {"last_loss", loss}};
  result.update(utilisation(pipeline.unet, device, images_per_s, options));
  if (options.profile) {
    result["profile"] =
        profile_updates(step, batch, options.warmup + options.updates, options.updates);
  }
  return result;
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      app.add_subcommand("bench", "Times the training step on random data; prints JSON");
  command->add_option("--device", options->device, "auto, cpu, cuda or cuda:<index>")
      ->capture_default_str();
  command
      ->add_option("--peak-tflops", options->peak_tflops,
                   "What the device computes at most, for the share that is used (mfu); known of "
                   "some GPUs")
      ->check(CLI::PositiveNumber);
  command->add_option("--preset", options->preset, "tiny, small or sdxl");
  command->add_option("--mode", options->mode, "Of the UNet")
      ->check(CLI::IsMember({"full", "lora"}));
  command->add_option("--precision", options->precision, "Of UNet and text encoders")
      ->check(CLI::IsMember({"fp32", "bf16"}));
  command->add_flag("--profile", options->profile, "Also the time in each operator");
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
