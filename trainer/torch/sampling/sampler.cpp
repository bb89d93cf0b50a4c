#include "trainer/torch/sampling/sampler.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "schema/base/philox.h"
#include "trainer/core/sampling/sampling_plan.h"
#include "trainer/torch/sampling/tiled_autoencoder.h"

namespace sarsweep::trainer {
namespace {

constexpr std::int64_t kWholePixels = 1536L * 1536L;  // more than these go in tiles
// Pictures up to this size are made side by side on a CPU, a thread each: their operators are too
// small to share. Larger ones would need too much memory.
constexpr std::int64_t kPixelsOfOneThread = 256L * 256L;

[[noreturn]] void refuse(const char* field, const std::string& reason) {
  throw Error(ErrorCode::invalid, reason, field);
}

bool guided(const SampleOptions& options) { return options.cfg > 1; }

const at::Tensor& weight_of(const Component& component) {
  return component.parameters().front().second;
}

// Pixels per latent, along one edge.
int latent_edge(const Pipeline& pipeline) {
  return 1 << (pipeline.vae.config().block_out_channels.size() - 1);
}

at::Tensor normals(std::int64_t seed, const std::string& purpose, std::int64_t item,
                   std::int64_t height_latent, std::int64_t width_latent) {
  constexpr std::int64_t kChannels = 4;
  at::Tensor noise = at::empty({1, kChannels, height_latent, width_latent}, at::kFloat);
  const RandomStream stream(static_cast<std::uint64_t>(seed), purpose,
                            static_cast<std::uint64_t>(item));
  stream.fill_normal(noise.mutable_data_ptr<float>(), static_cast<std::uint64_t>(noise.numel()));
  return noise;
}

void check_size(const Pipeline& pipeline, const SampleOptions& options) {
  const int unit = latent_edge(pipeline) << (pipeline.unet.config().block_out_channels.size() - 1);
  for (const int extent : {options.height, options.width}) {
    if (extent >= unit && extent % unit == 0) continue;
    refuse("size",
           fmt::format("pictures of {}x{} pixels: both must be multiples of {} for this model",
                       options.height, options.width, unit));
  }
}

SamplingPlan plan_for(const Pipeline& pipeline, const SampleOptions& options, StartsFrom start) {
  const bool picture = start == StartsFrom::picture;
  return plan_sampling(pipeline.scheduler, options.sampler, options.steps,
                       picture ? std::optional<double>(options.strength) : std::nullopt);
}

// One call of sample_latents or sample_images: what all its pictures share.
class Sampling {
 public:
  Sampling(const Pipeline& pipeline, const std::vector<PictureRequest>& pictures,
           const SampleOptions& options, const Cancelled& cancelled)
      : pipeline_(pipeline), pictures_(pictures), options_(options), cancelled_(cancelled) {
    check_pictures();
    const StartsFrom start =
        pictures.front().begin.defined() ? StartsFrom::picture : StartsFrom::noise;
    check_sampling(pipeline, options, start);
    plan_ = plan_for(pipeline, options, start);
    if (guided(options)) make_negative();
  }

  // finish(scaled latents [n,4,h,w]) of every group of pictures, one below the other.
  at::Tensor run(const std::function<at::Tensor(const at::Tensor&)>& finish) const {
    const bool on_cpu = weight_of(pipeline_.unet).device().is_cpu();
    const std::int64_t size = !on_cpu ? options_.batch : small() ? options_.cpu_batch : 1;
    const auto count = static_cast<std::int64_t>(pictures_.size());
    std::vector<at::Tensor> results(static_cast<std::size_t>((count + size - 1) / size));
    const auto make = [&](std::int64_t first, std::int64_t last) {
      const c10::NoGradGuard no_grad;  // a thread has its own
      for (std::int64_t i = first; i < last; ++i) {
        const auto begin = static_cast<std::size_t>(i * size);
        const auto end = static_cast<std::size_t>(std::min(count, (i + 1) * size));
        results[static_cast<std::size_t>(i)] = finish(denoise({begin, end}));
      }
    };
    const auto groups = static_cast<std::int64_t>(results.size());
    if (on_cpu && small()) {
      at::parallel_for(0, groups, 1, make);
    } else {
      make(0, groups);
    }
    return at::cat(results);
  }

  at::Tensor decode(const at::Tensor& latents) const {
    const at::Tensor scaled =
        (latents / pipeline_.vae.config().scaling_factor).to(weight_of(pipeline_.vae).options());
    const at::Tensor pixels =
        in_tiles() ? decode_tiled(pipeline_.vae, scaled) : pipeline_.vae.decode(scaled);
    return pixels.to(at::kFloat).clamp(-1, 1);
  }

 private:
  struct Group {
    std::size_t begin, end;
  };
  // Everything the UNet is told beside the latents, for 2n rows (negative first) or n.
  struct Guidance {
    at::Tensor context, pooled, time_ids;
  };

  void check_pictures() const {
    if (pictures_.empty()) refuse("prompts", "no picture is asked for");
    const bool begins = pictures_.front().begin.defined();
    for (const PictureRequest& picture : pictures_) {
      if (picture.begin.defined() != begins) {
        refuse("begin", "either every picture begins from another one, or none");
      }
      if (begins &&
          picture.begin.sizes() != at::IntArrayRef({3, options_.height, options_.width})) {
        refuse("begin", fmt::format("a picture to begin from has not 3 channels of {}x{} pixels",
                                    options_.height, options_.width));
      }
    }
  }

  bool small() const {
    return std::int64_t{options_.height} * options_.width <= kPixelsOfOneThread;
  }
  bool in_tiles() const {
    if (options_.tiles != Tiles::automatic) return options_.tiles == Tiles::always;
    return std::int64_t{options_.height} * options_.width > kWholePixels;
  }

  void make_negative() {
    negative_ = encode_prompts(pipeline_, {options_.negative});
    if (options_.negative.empty() && zeros_for_empty_prompt(pipeline_)) {
      negative_ = {at::zeros_like(negative_.context), at::zeros_like(negative_.pooled)};
    }
  }

  Guidance guidance_of(Group group) const {
    std::vector<std::string> prompts;
    for (std::size_t i = group.begin; i < group.end; ++i) prompts.push_back(pictures_[i].prompt);
    const Conditioning positive = encode_prompts(pipeline_, prompts);
    const auto n = static_cast<std::int64_t>(prompts.size());
    Guidance result{positive.context, positive.pooled, {}};
    if (guided(options_)) {
      result.context = at::cat({negative_.context.expand({n, -1, -1}), positive.context});
      result.pooled = at::cat({negative_.pooled.expand({n, -1}), positive.pooled});
    }
    const at::Device device = weight_of(pipeline_.unet).device();
    result.context = result.context.to(device);
    result.pooled = result.pooled.to(device);
    const auto height = static_cast<float>(options_.height);
    const auto width = static_cast<float>(options_.width);
    result.time_ids = at::tensor({height, width, 0.0F, 0.0F, height, width})
                          .to(device)
                          .unsqueeze(0)
                          .expand({result.context.size(0), 6});
    return result;
  }

  // The network's answer, with classifier-free guidance. All in fp32, however weights are held.
  at::Tensor predict(const Guidance& guidance, const at::Tensor& input, double timestep) const {
    const at::Tensor rows = guided(options_) ? at::cat({input, input}) : input;
    const at::Tensor times = at::full({rows.size(0)}, timestep, input.options());
    const at::Tensor answer =
        pipeline_.unet.forward(rows, times, guidance.context, guidance.pooled, guidance.time_ids);
    if (!guided(options_)) return answer;
    const std::vector<at::Tensor> halves = answer.chunk(2);
    return halves[0] + (halves[1] - halves[0]) * options_.cfg;
  }

  std::int64_t latent_rows() const { return options_.height / latent_edge(pipeline_); }
  std::int64_t latent_columns() const { return options_.width / latent_edge(pipeline_); }
  // noise_of(picture) of every picture of the group, on the UNet's device.
  template <typename NoiseOf>
  at::Tensor noises(Group group, NoiseOf&& noise_of) const {
    std::vector<at::Tensor> all;
    for (std::size_t i = group.begin; i < group.end; ++i) all.push_back(noise_of(pictures_[i]));
    return at::cat(all).to(weight_of(pipeline_.unet).device());
  }

  // The scaled latents of the pictures to begin from: a draw of the encoder's posterior.
  at::Tensor encoded(Group group) const {
    std::vector<at::Tensor> pixels;
    for (std::size_t i = group.begin; i < group.end; ++i) pixels.push_back(pictures_[i].begin);
    const at::Tensor input = at::stack(pixels).to(weight_of(pipeline_.vae).options());
    const Moments moments =
        in_tiles() ? encode_tiled(pipeline_.vae, input) : pipeline_.vae.encode(input);
    const at::Tensor noise = noises(group, [this](const PictureRequest& picture) {
      return sample_posterior_noise(picture.seed, picture.item, latent_rows(), latent_columns());
    });
    const at::Tensor spread = (moments.log_variance.to(at::kFloat) * 0.5).exp();
    return (moments.mean.to(at::kFloat) + spread * noise) * pipeline_.vae.config().scaling_factor;
  }

  at::Tensor start(Group group) const {
    const at::Tensor noise = noises(group, [this](const PictureRequest& picture) {
      return sample_noise(picture.seed, picture.item, latent_rows(), latent_columns());
    });
    if (plan_.picture_scale == 0) return noise * plan_.noise_scale;
    return encoded(group) * plan_.picture_scale + noise * plan_.noise_scale;
  }

  void check_cancelled() const {
    const std::lock_guard lock(asking_);
    if (cancelled_ && cancelled_()) throw Error(ErrorCode::busy, "sampling was cancelled");
  }

  at::Tensor denoise(Group group) const {
    const Guidance guidance = guidance_of(group);
    at::Tensor x = start(group);
    at::Tensor clean_before;
    for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
      check_cancelled();
      const SamplingStep& step = plan_.steps[i];
      const at::Tensor answer = predict(guidance, x * step.input_scale, step.timestep);
      const at::Tensor clean = x * step.clean_of_x + answer * step.clean_of_answer;
      x = x * step.keep + clean * step.clean;
      if (step.earlier != 0) x = x + clean_before * step.earlier;
      if (step.draw != 0) {
        const at::Tensor fresh = noises(group, [this, i](const PictureRequest& picture) {
          return sample_step_noise(picture.seed, picture.item, i, latent_rows(), latent_columns());
        });
        x = x + fresh * step.draw;
      }
      clean_before = clean;
    }
    return x;
  }

  const Pipeline& pipeline_;
  const std::vector<PictureRequest>& pictures_;
  const SampleOptions& options_;
  const Cancelled& cancelled_;
  SamplingPlan plan_;
  Conditioning negative_;      // one row; undefined without guidance
  mutable std::mutex asking_;  // cancelled_ need not be thread-safe
};

}  // namespace

void check_sampling(const Pipeline& pipeline, const SampleOptions& options, StartsFrom start) {
  check_size(pipeline, options);
  if (options.batch < 1 || options.cpu_batch < 1) {
    refuse("batch", "a batch needs at least one picture");
  }
  if (!(options.cfg >= 0)) refuse("cfg", fmt::format("cfg {} must be 0 or more", options.cfg));
  plan_for(pipeline, options, start);
}

at::Tensor sample_noise(std::int64_t seed, std::int64_t item, std::int64_t height_latent,
                        std::int64_t width_latent) {
  return normals(seed, "sample", item, height_latent, width_latent);
}

at::Tensor sample_step_noise(std::int64_t seed, std::int64_t item, std::size_t step,
                             std::int64_t height_latent, std::int64_t width_latent) {
  return normals(seed, fmt::format("sample-step-{}", step), item, height_latent, width_latent);
}

at::Tensor sample_posterior_noise(std::int64_t seed, std::int64_t item, std::int64_t height_latent,
                                  std::int64_t width_latent) {
  return normals(seed, "sample-posterior", item, height_latent, width_latent);
}

at::Tensor sample_latents(const Pipeline& pipeline, const std::vector<PictureRequest>& pictures,
                          const SampleOptions& options, const Cancelled& cancelled) {
  const c10::NoGradGuard no_grad;
  const Sampling sampling(pipeline, pictures, options, cancelled);
  return sampling.run([](const at::Tensor& latents) { return latents; });
}

at::Tensor sample_images(const Pipeline& pipeline, const std::vector<PictureRequest>& pictures,
                         const SampleOptions& options, const Cancelled& cancelled) {
  const c10::NoGradGuard no_grad;
  const Sampling sampling(pipeline, pictures, options, cancelled);
  return sampling.run([&](const at::Tensor& latents) { return sampling.decode(latents); });
}

}  // namespace sarsweep::trainer
