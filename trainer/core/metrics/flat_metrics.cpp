#include "trainer/core/metrics/flat_metrics.h"

#include <string_view>

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

// A number of a table and the name it has among the metrics.
struct Named {
  std::string_view path;  // a JSON pointer
  std::string_view name;
};

constexpr Named kNamed[] = {
    {"/autocorrelation_real/1", "autocorrelation_real_1"},
    {"/autocorrelation_real/4", "autocorrelation_real_4"},
    {"/autocorrelation_generated/1", "autocorrelation_generated_1"},
    {"/autocorrelation_generated/4", "autocorrelation_generated_4"},
    {"/enl_real/amplitude", "enl_real_amplitude"},
    {"/enl_real/intensity", "enl_real_intensity"},
    {"/enl_generated/amplitude", "enl_generated_amplitude"},
    {"/enl_generated/intensity", "enl_generated_intensity"},
    {"/floor/kl_pooled", "floor_kl_pooled"},
    {"/floor/jsd_pooled", "floor_jsd_pooled"},
    {"/floor/wasserstein1_pooled", "floor_wasserstein1_pooled"},
    {"/floor/glcm_distance", "floor_glcm_distance"},
    {"/vae_pass/kl_pooled", "vae_pass_kl_pooled"},
    {"/vae_pass/saturation", "vae_pass_saturation"},
    {"/vae_pass/autocorrelation/1", "vae_pass_autocorrelation_1"},
    {"/vae_pass/autocorrelation/4", "vae_pass_autocorrelation_4"},
    {"/clip_rank/expected_mean", "clip_rank"},
    {"/clip_rank/strict_mean", "clip_rank_strict"},
    {"/cosine_mean/generated", "cosine"},
    {"/cosine_mean/real", "cosine_real"},
};

}  // namespace

json flat_metrics(const json& result, const std::string& prefix) {
  json values = json::object();
  for (const auto& [key, value] : result.items()) {
    if (value.is_number()) values[prefix + "/" + key] = value;
  }
  for (const Named& named : kNamed) {
    const json::json_pointer path{std::string(named.path)};
    if (!result.contains(path) || !result[path].is_number()) continue;
    values[prefix + "/" + std::string(named.name)] = result[path];
  }
  return values;
}

}  // namespace sarsweep::trainer
