#pragma once

#include <cmath>

#include "trainer/kernels/adamw.h"

namespace sarsweep::trainer {

// What every number of a tensor is stepped with: the host's arithmetic, for kernel and twin alike.
struct AdamWScalars {
  float keep, of_gradient, beta2, of_square, eps, step_size, root_correction;

  AdamWScalars(const AdamWRates& rates, std::int64_t step)
      : keep(static_cast<float>(1.0 - rates.lr * rates.weight_decay)),
        of_gradient(static_cast<float>(1.0 - rates.beta1)),  // not 1 - float(β1): that is 6e-8 off
        beta2(static_cast<float>(rates.beta2)),
        of_square(static_cast<float>(1.0 - rates.beta2)),
        eps(static_cast<float>(rates.eps)),
        step_size(static_cast<float>(rates.lr /
                                     (1.0 - std::pow(rates.beta1, static_cast<double>(step))))),
        root_correction(
            static_cast<float>(std::sqrt(1.0 - std::pow(rates.beta2, static_cast<double>(step))))) {
  }
};

}  // namespace sarsweep::trainer
