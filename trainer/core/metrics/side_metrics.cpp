#include "trainer/core/metrics/side_metrics.h"

#include <string>

#include "trainer/core/metrics/mean.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;
using Side = std::optional<PictureMeasures> MeasuredPair::*;

json looks_of(const std::vector<MeasuredPair>& pairs, Side side) {
  Mean amplitude;
  Mean intensity;
  for (const MeasuredPair& pair : pairs) {
    const std::optional<Looks>& looks = (pair.*side)->looks;
    if (!looks) continue;
    amplitude.add(looks->amplitude);
    intensity.add(looks->intensity);
  }
  return {
      {"amplitude", amplitude.value()}, {"intensity", intensity.value()}, {"images", amplitude.n}};
}

json spectrum_of(const std::vector<MeasuredPair>& pairs, Side side) {
  json spectrum = json::array();
  for (int ring = 0; ring < kSpectrumRings; ++ring) {
    Mean mean;
    for (const MeasuredPair& pair : pairs) {
      if (const auto& power = (pair.*side)->spectrum[ring]) mean.add(*power);
    }
    spectrum.push_back(mean.value());
  }
  return spectrum;
}

json lags_of(const std::vector<MeasuredPair>& pairs, Side side) {
  std::vector<std::array<double, kLags.size()>> lags;
  for (const MeasuredPair& pair : pairs) lags.push_back((pair.*side)->autocorrelation);
  return mean_autocorrelation(lags);
}

}  // namespace

json mean_autocorrelation(const std::vector<std::array<double, kLags.size()>>& pictures) {
  json by_lag = json::object();
  for (std::size_t i = 0; i < kLags.size(); ++i) {
    Mean mean;
    for (const auto& lags : pictures) mean.add(lags[i]);
    by_lag[std::to_string(kLags[i])] = mean.value();
  }
  return by_lag;
}

void add_side_metrics(const std::vector<MeasuredPair>& pairs, json& result) {
  result["autocorrelation_real"] = lags_of(pairs, &MeasuredPair::real);
  result["autocorrelation_generated"] = lags_of(pairs, &MeasuredPair::generated);
  result["enl_real"] = looks_of(pairs, &MeasuredPair::real);
  result["enl_generated"] = looks_of(pairs, &MeasuredPair::generated);
  result["spectrum_real"] = spectrum_of(pairs, &MeasuredPair::real);
  result["spectrum_generated"] = spectrum_of(pairs, &MeasuredPair::generated);
  result["spectrum_frequency"] = json::array();
  for (int ring = 0; ring < kSpectrumRings; ++ring) {
    result["spectrum_frequency"].push_back(ring_frequency(ring));
  }
}

}  // namespace sarsweep::trainer
