#include "coordinator/sweep/known_metrics.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "schema/config/fields.h"

namespace sarsweep::sweep {
namespace {

constexpr std::array<std::string_view, 53> kProduced = {
    "eval/kl_pooled",
    "eval/kl_label_mean",
    "eval/jsd_pooled",
    "eval/wasserstein1_pooled",
    "eval/saturation_real",
    "eval/saturation_generated",
    "eval/glcm_distance",
    "eval/enl_real_amplitude",
    "eval/enl_real_intensity",
    "eval/enl_generated_amplitude",
    "eval/enl_generated_intensity",
    "eval/n",
    "eval/floor_kl_pooled",
    "eval/floor_jsd_pooled",
    "eval/floor_wasserstein1_pooled",
    "eval/floor_glcm_distance",
    "eval/autocorrelation_real_1",
    "eval/autocorrelation_real_4",
    "eval/autocorrelation_generated_1",
    "eval/autocorrelation_generated_4",
    "eval/vae_pass_kl_pooled",
    "eval/vae_pass_saturation",
    "eval/vae_pass_autocorrelation_1",
    "eval/vae_pass_autocorrelation_4",
    "val/loss",
    "train/loss",
    "train/grad_norm",
    "train/images_per_s",
    "train/samples_seen",
    "train/gpu_hours",
    "train/lr",
    "train/lr_unet",
    "train/lr_text_encoder_1",
    "train/lr_text_encoder_2",
    "train/lr_vae",
    "train/lr_image_tower",
    "train/lr_text_tower",
    "train/lr_logit_scale",
    "train/logit_scale",
    "train/loss_t0",
    "train/loss_t1",
    "train/loss_t2",
    "train/loss_t3",
    "train/loss_t4",
    "train/loss_t5",
    "train/loss_t6",
    "train/loss_t7",
    "train/loss_t8",
    "train/loss_t9",
    "train/kl",
    "train/reconstruction",
    "sys/gpu_mem",
    "sys/rss",
};
constexpr std::array<std::string_view, 4> kJudged = {"eval/clip_rank", "eval/clip_rank_strict",
                                                     "eval/cosine", "eval/cosine_real"};

}  // namespace

Produced produced(const std::string& metric) {
  if (std::find(kProduced.begin(), kProduced.end(), metric) != kProduced.end())
    return Produced::yes;
  const bool judged = std::find(kJudged.begin(), kJudged.end(), metric) != kJudged.end();
  return judged ? Produced::judged : Produced::never;
}

std::string nearest_metric(const std::string& metric) {
  constexpr std::size_t kLongest = 64;  // bounds the work on hostile input
  if (metric.size() > kLongest) return {};
  std::string best;
  int best_distance = 4;
  for (const std::string_view known : kProduced) {
    const int distance = config::edit_distance(metric, known);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = known;
  }
  return best;
}

}  // namespace sarsweep::sweep
