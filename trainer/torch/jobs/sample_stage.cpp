#include "trainer/torch/jobs/sample_stage.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <c10/core/GradMode.h>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/protocol/run_dir.h"
#include "trainer/torch/jobs/evaluation_stage.h"
#include "trainer/torch/jobs/pictures.h"
#include "trainer/torch/sampling/sampler.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kPrompts = 4;
constexpr int kBits = 16;

std::vector<std::string> prompts_of(const RunContext& run, const DataOptions& options) {
  if (!run.stages().samples.prompts.empty()) return run.stages().samples.prompts;
  const json& protocol = run.file().protocol;
  const std::string split = protocol.is_object() ? protocol.value("split", "test") : options.split;
  const int per_label = protocol.is_object() ? protocol.value("per_label", 1) : 1;
  return default_prompts(Dataset(options, split), per_label, kPrompts);
}

SampleOptions sampling_of(const SampleConfig& config, int resolution, std::size_t prompts) {
  SampleOptions sampling;
  sampling.sampler = config.sampler;
  sampling.steps = config.steps;
  sampling.cfg = config.cfg;
  sampling.negative = config.negative;
  sampling.height = sampling.width = resolution;
  sampling.batch = static_cast<int>(std::min<std::size_t>(prompts, kPrompts));
  return sampling;
}

}  // namespace

void check_samples(const RunContext& run, const Pipeline& pipeline, const DataOptions& options) {
  check_sampling(pipeline, sampling_of(run.stages().samples, options.resolution, 1));
}

void write_samples(RunContext& run, const Pipeline& pipeline, const DataOptions& options,
                   long step) {
  const c10::NoGradGuard no_grad;
  const std::vector<std::string> prompts = prompts_of(run, options);
  if (prompts.empty()) return;
  const SampleConfig& config = run.stages().samples;
  run.stage("sample", 0, static_cast<long>(prompts.size()));
  std::vector<PictureRequest> requests;
  for (const std::string& prompt : prompts) {
    requests.push_back({prompt, config.seed, static_cast<std::int64_t>(requests.size()), {}});
  }
  const at::Tensor pictures =
      sample_images(pipeline, requests, sampling_of(config, options.resolution, prompts.size()),
                    [&run] { return run.stopping(); });
  const fs::path folder = fs::path(run_dir::kSamples) / run_dir::step_name(step);
  fs::path temporary = run.dir() / folder;
  temporary += ".tmp";
  fs::remove_all(temporary);
  fs::create_directories(temporary);
  std::string metadata;
  json events = json::array();
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const std::string name = fmt::format("{:02}.png", i);
    write_png(temporary / name, amplitude_of(pictures[static_cast<std::int64_t>(i)]), kBits);
    metadata +=
        json{{"file_name", name}, {"text", prompts[i]}, {"seed", config.seed}}.dump() + "\n";
    events.push_back({{"step", step},
                      {"file", (folder / name).generic_string()},
                      {"prompt", prompts[i]},
                      {"seed", config.seed},
                      {"bytes", fs::file_size(temporary / name)},
                      {"sha256", sha256_file(temporary / name)}});
  }
  write_file_atomically(temporary / "metadata.jsonl", metadata);
  fs::remove_all(run.dir() / folder);
  fs::rename(temporary, run.dir() / folder);
  for (const json& event : events) run.events().write("sample", event);
  run.stage("sample", static_cast<long>(prompts.size()), static_cast<long>(prompts.size()));
}

}  // namespace sarsweep::trainer
