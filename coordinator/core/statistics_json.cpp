#include "coordinator/core/statistics_json.h"

#include <fmt/format.h>

#include <cmath>
#include <string>

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

constexpr double kSignificant = 0.05;

json count_json(const std::optional<double>& value) {
  constexpr double kMost = 1e15;
  return value && *value < kMost ? json(std::llround(*value)) : json(nullptr);
}

json maybe_digits(const std::optional<double>& value) {
  return value ? digits(*value) : json(nullptr);
}

}  // namespace

json digits(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::stod(fmt::format("{:.12g}", value));
}

json interval_json(const stats::Estimate& estimate) {
  if (!estimate.interval) return {{"low", nullptr}, {"high", nullptr}};
  return {{"low", digits(estimate.interval->low)}, {"high", digits(estimate.interval->high)}};
}

json comparison_json(const std::optional<stats::Comparison>& comparison,
                     const std::optional<double>& p_holm) {
  json out = json::object();
  for (const char* key :
       {"delta", "delta_low", "delta_high", "p", "p_holm", "power_n", "power_seeds", "seeds"}) {
    out[key] = nullptr;
  }
  if (!comparison) return out;
  out["delta"] = digits(comparison->delta);
  out["p"] = maybe_digits(comparison->p);
  out["p_holm"] = maybe_digits(p_holm);
  out["seeds"] = comparison->seeds;
  if (comparison->interval) {
    out["delta_low"] = digits(comparison->interval->low);
    out["delta_high"] = digits(comparison->interval->high);
  }
  if (!p_holm || *p_holm < kSignificant) return out;
  out["power_n"] = count_json(comparison->images_for_power);
  out["power_seeds"] = count_json(comparison->seeds_for_power);
  return out;
}

std::optional<double> p_holm_of(const CellStatistics& cell, const std::string& metric) {
  const auto found = cell.p_holm.find(metric);
  return found == cell.p_holm.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace sarsweep::coordinator
