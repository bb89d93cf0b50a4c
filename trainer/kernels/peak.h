#pragma once

#include <optional>
#include <string_view>

namespace sarsweep::trainer {

enum class Arithmetic { fp32, bf16 };

// The most that a GPU computes, in 10^12 operations a second, dense, by its maker's data sheet:
// bf16 on its tensor cores with fp32 sums, fp32 without TF32. `model` as the driver names it;
// nullopt for one that is not in the table.
std::optional<double> peak_tflops(std::string_view model, Arithmetic arithmetic);

}  // namespace sarsweep::trainer
