#include "trainer/kernels/peak.h"

#include <array>

namespace sarsweep::trainer {
namespace {

struct Row {
  std::string_view part;  // of the name
  double bf16, fp32;
};

// The first that fits: a narrower name comes before a wider one.
constexpr std::array<Row, 10> kPeaks = {{{"H200 NVL", 835.5, 60},
                                         {"H200", 989.4, 66.9},
                                         {"H100 PCIe", 756, 51.2},
                                         {"H100 NVL", 835.5, 60},
                                         {"H100", 989.4, 66.9},
                                         {"A100", 312, 19.5},
                                         {"L40S", 362, 91.6},
                                         {"L4", 121, 30.3},
                                         {"RTX 4090", 165.2, 82.6},
                                         {"RTX 3090", 71, 35.6}}};

}  // namespace

std::optional<double> peak_tflops(std::string_view model, Arithmetic arithmetic) {
  for (const Row& row : kPeaks) {
    const std::size_t at = model.find(row.part);
    if (at == std::string_view::npos) continue;
    const std::size_t end = at + row.part.size();
    if (end < model.size() && model[end] != ' ' && model[end] != '-') continue;  // L40 is no L4
    return arithmetic == Arithmetic::bf16 ? row.bf16 : row.fp32;
  }
  return std::nullopt;
}

}  // namespace sarsweep::trainer
