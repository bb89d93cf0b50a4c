#include "trainer/torch/sampling/sampler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "schema/base/philox.h"
#include "trainer/core/sampling/sampling_plan.h"

namespace sarsweep::trainer {
namespace {

bool guided(const SampleOptions& options) { return options.cfg > 1; }

const at::Tensor& unet_weight(const Pipeline& pipeline) {
  return pipeline.unet.parameters().front().second;
}

// Everything the UNet is told beside the picture, for one pass over `2 B` rows (negative first) or
// `B`.
struct Guidance {
  at::Tensor context, pooled, time_ids;
};

Guidance make_guidance(const Pipeline& pipeline, const Conditioning& positive,
                       const Conditioning& negative, const SampleOptions& options) {
  const at::Tensor& like = unet_weight(pipeline);
  Guidance result{positive.context, positive.pooled, {}};
  if (guided(options)) {
    result.context = at::cat({negative.context, positive.context});
    result.pooled = at::cat({negative.pooled, positive.pooled});
  }
  result.context = result.context.to(like.options());
  result.pooled = result.pooled.to(like.options());
  const auto height = static_cast<float>(options.height);
  const auto width = static_cast<float>(options.width);
  result.time_ids = at::tensor({height, width, 0.0F, 0.0F, height, width})
                        .to(like.device())
                        .unsqueeze(0)
                        .expand({result.context.size(0), 6});
  return result;
}

// The network's answer in fp32, with classifier-free guidance.
at::Tensor predict(const Pipeline& pipeline, const Guidance& guidance, const at::Tensor& input,
                   double timestep, const SampleOptions& options) {
  const at::Tensor& like = unet_weight(pipeline);
  const at::Tensor rows =
      (guided(options) ? at::cat({input, input}) : input).to(like.scalar_type());
  const at::Tensor times = at::full({rows.size(0)}, timestep, input.options());
  const at::Tensor answer =
      pipeline.unet.forward(rows, times, guidance.context, guidance.pooled, guidance.time_ids)
          .to(at::kFloat);
  if (!guided(options)) return answer;
  const std::vector<at::Tensor> halves = answer.chunk(2);
  return halves[0] + (halves[1] - halves[0]) * options.cfg;
}

at::Tensor denoise(const Pipeline& pipeline, const Guidance& guidance, const at::Tensor& noise,
                   const SampleOptions& options, const std::function<bool()>& cancelled) {
  const SamplingPlan plan = plan_sampling(pipeline.scheduler, options.sampler, options.steps);
  at::Tensor x = noise.to(unet_weight(pipeline).device(), at::kFloat) * plan.initial_scale;
  for (const SamplingStep& step : plan.steps) {
    if (cancelled && cancelled()) throw Error(ErrorCode::busy, "sampling was cancelled");
    const at::Tensor answer =
        predict(pipeline, guidance, x * step.input_scale, step.timestep, options);
    x = x * step.keep + answer * step.add;
  }
  return x;
}

// Pixels per latent, along one edge.
int latent_edge(const Pipeline& pipeline) {
  return 1 << (pipeline.vae.config().block_out_channels.size() - 1);
}

void check_size(const Pipeline& pipeline, const SampleOptions& options) {
  const int unit = latent_edge(pipeline) << (pipeline.unet.config().block_out_channels.size() - 1);
  for (const int extent : {options.height, options.width}) {
    if (extent < unit || extent % unit != 0) {
      throw Error(
          ErrorCode::invalid,
          fmt::format("pictures of {}x{} pixels: both must be multiples of {} for this model",
                      options.height, options.width, unit),
          "size");
    }
  }
  if (options.batch < 1)
    throw Error(ErrorCode::invalid, "a batch needs at least one picture", "batch");
}

Conditioning negative_for(const Pipeline& pipeline, const Conditioning& positive,
                          const SampleOptions& options) {
  const bool zeros = pipeline.model_index.is_object() &&
                     pipeline.model_index.value("force_zeros_for_empty_prompt", true);
  if (options.negative.empty() && zeros) {
    return {at::zeros_like(positive.context), at::zeros_like(positive.pooled)};
  }
  const Conditioning one = encode_prompts(pipeline, {options.negative});
  const std::int64_t rows = positive.context.size(0);
  return {one.context.expand({rows, -1, -1}), one.pooled.expand({rows, -1})};
}

}  // namespace

at::Tensor sample_noise(std::int64_t seed, std::int64_t item, std::int64_t height_latent,
                        std::int64_t width_latent) {
  constexpr std::int64_t kChannels = 4;
  at::Tensor noise = at::empty({1, kChannels, height_latent, width_latent}, at::kFloat);
  const RandomStream stream(static_cast<std::uint64_t>(seed), "sample",
                            static_cast<std::uint64_t>(item));
  stream.fill_normal(noise.mutable_data_ptr<float>(), static_cast<std::uint64_t>(noise.numel()));
  return noise;
}

at::Tensor sample_latents(const Pipeline& pipeline, const Conditioning& positive,
                          const Conditioning& negative, const at::Tensor& noise,
                          const SampleOptions& options) {
  const c10::NoGradGuard no_grad;
  const Guidance guidance = make_guidance(pipeline, positive, negative, options);
  return denoise(pipeline, guidance, noise, options, {});
}

at::Tensor sample_images(const Pipeline& pipeline, const std::vector<std::string>& prompts,
                         const std::vector<std::int64_t>& seeds,
                         const std::vector<std::int64_t>& items, const SampleOptions& options,
                         const std::function<bool()>& cancelled) {
  const c10::NoGradGuard no_grad;
  check_size(pipeline, options);
  if (seeds.size() != prompts.size() || items.size() != prompts.size() || prompts.empty()) {
    throw Error(ErrorCode::invalid,
                fmt::format("{} prompts with {} seeds and {} items: each picture needs one of each",
                            prompts.size(), seeds.size(), items.size()));
  }
  const std::int64_t rows = options.height / latent_edge(pipeline);
  const std::int64_t columns = options.width / latent_edge(pipeline);
  std::vector<at::Tensor> pictures;
  for (std::size_t begin = 0; begin < prompts.size();
       begin += static_cast<std::size_t>(options.batch)) {
    const std::size_t end =
        std::min(prompts.size(), begin + static_cast<std::size_t>(options.batch));
    std::vector<at::Tensor> noise;
    for (std::size_t i = begin; i < end; ++i) {
      noise.push_back(sample_noise(seeds[i], items[i], rows, columns));
    }
    const Conditioning positive =
        encode_prompts(pipeline, {prompts.begin() + static_cast<std::ptrdiff_t>(begin),
                                  prompts.begin() + static_cast<std::ptrdiff_t>(end)});
    const Conditioning negative =
        guided(options) ? negative_for(pipeline, positive, options) : Conditioning{};
    const Guidance guidance = make_guidance(pipeline, positive, negative, options);
    const at::Tensor latents = denoise(pipeline, guidance, at::cat(noise), options, cancelled);
    const at::Tensor& vae_weight = pipeline.vae.parameters().front().second;
    const at::Tensor scaled = latents / pipeline.vae.config().scaling_factor;
    pictures.push_back(
        pipeline.vae.decode(scaled.to(vae_weight.options())).to(at::kFloat).clamp(-1, 1));
  }
  return at::cat(pictures);
}

}  // namespace sarsweep::trainer
