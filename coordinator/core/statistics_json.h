#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/board_statistics.h"

namespace sarsweep::coordinator {

// Twelve digits: what is left out hangs on the machine's logarithm. null unless it is finite.
nlohmann::json digits(double value);

// {low, high}, and {delta, delta_low, delta_high, p, p_holm, power_n, power_seeds, seeds}: null
// where it is not known, and the powers where Holm's p is below 0.05.
nlohmann::json interval_json(const stats::Estimate& estimate);
nlohmann::json comparison_json(const std::optional<stats::Comparison>& comparison,
                               const std::optional<double>& p_holm);
std::optional<double> p_holm_of(const CellStatistics& cell, const std::string& metric);

}  // namespace sarsweep::coordinator
