#include "trainer/torch/training/refinement_terms.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log.h>
#include <ATen/ops/scatter_add.h>
#include <ATen/ops/sign.h>
#include <ATen/ops/view_as_real.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <cmath>

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/expm1.h>
#include <ATen/ops/fft_fft2.h>

namespace sarsweep::trainer {
namespace {

constexpr double kSaturated = 0.999;
constexpr double kLeastPower = 1e-5;      // of local
constexpr double kLeastAmplitude = 1e-3;  // of literal
constexpr std::int64_t kBox = 7;
constexpr std::int64_t kSmoothed = 5;  // frequencies along each axis
constexpr double kPrior = 0.5;         // counts added to every bin
constexpr std::array<std::int64_t, 2> kImage = {1, 2};
constexpr std::array<std::int64_t, 3> kPicture = {1, 2, 3};

// [B,1,H,W] -> [B,H,W]; at the edge the mean over the pixels that exist.
at::Tensor box_mean(const at::Tensor& values) {
  return at::avg_pool2d(values.unsqueeze(1), {kBox, kBox}, {1, 1}, {kBox / 2, kBox / 2},
                        /*ceil_mode=*/false, /*count_include_pad=*/false)
      .squeeze(1);
}

at::Tensor local_rayleigh(const at::Tensor& decoded, const at::Tensor& real) {
  const at::Tensor power = (box_mean(decoded.square()) / 2).clamp_min(kLeastPower);
  const at::Tensor counted = (real <= kSaturated).to(real.scalar_type());
  const at::Tensor terms = at::log(power) + real.square() / (2 * power);
  return (terms * counted).sum(at::IntArrayRef(kImage)) /
         counted.sum(at::IntArrayRef(kImage)).clamp_min(1);
}

at::Tensor literal_rayleigh(const at::Tensor& decoded, const at::Tensor& real) {
  const at::Tensor power =
      (real.square().mean(at::IntArrayRef(kImage), true) / 2).clamp_min(kLeastPower);
  const at::Tensor x = decoded.clamp_min(kLeastAmplitude);
  return (x.square() / (2 * power) - at::log(x / power)).mean(at::IntArrayRef(kImage));
}

// [B,bins] that sum to 1: every value in [0,1] gives its two nearest bin centres their linear
// shares. `counted` [B,N] is 1 or 0.
at::Tensor soft_histogram(const at::Tensor& values, const at::Tensor& counted, std::int64_t bins) {
  const at::Tensor place =
      (values * static_cast<double>(bins) - 0.5).clamp(0, static_cast<double>(bins - 1));
  const at::Tensor lower = place.detach().floor().clamp_max(static_cast<double>(bins - 2));
  const at::Tensor upper_share = place - lower;
  const at::Tensor index = lower.to(at::kLong);
  const at::Tensor counts = at::zeros({values.size(0), bins}, values.options())
                                .scatter_add(1, index, (1 - upper_share) * counted)
                                .scatter_add(1, index + 1, upper_share * counted);
  const at::Tensor filled = counts + kPrior;
  return filled / filled.sum(1, true);
}

at::Tensor amplitude_histogram(const at::Tensor& amplitudes, std::int64_t bins) {
  const at::Tensor flat = amplitudes.flatten(1);
  return soft_histogram(flat, (flat.detach() <= kSaturated).to(flat.scalar_type()), bins);
}

at::Tensor divergence(const at::Tensor& p, const at::Tensor& q) {
  return (p * (at::log(p) - at::log(q))).sum(1);
}

// |F|^2 / (H W) of each picture less its mean, [B,H,W], the frequencies in the transform's order.
at::Tensor periodogram(const at::Tensor& amplitudes) {
  const at::Tensor centred = amplitudes - amplitudes.mean(at::IntArrayRef(kImage), true);
  const double pixels = static_cast<double>(centred.size(1) * centred.size(2));
  return at::view_as_real(at::fft_fft2(centred)).square().sum(-1) / pixels;
}

// The mean over the kSmoothed x kSmoothed frequencies around each, across the ends: a spectrum is
// periodic.
at::Tensor smoothed(const at::Tensor& spectrum) {
  at::Tensor around = spectrum;
  for (const std::int64_t axis : kImage) {
    const std::int64_t size = spectrum.size(axis);
    around = at::cat({around.narrow(axis, size - kSmoothed / 2, kSmoothed / 2), around,
                      around.narrow(axis, 0, kSmoothed / 2)},
                     axis);
  }
  return at::avg_pool2d(around.unsqueeze(1), {kSmoothed, kSmoothed}, {1, 1}).squeeze(1);
}

}  // namespace

at::Tensor linear_amplitude(const at::Tensor& pictures, const Stretch& stretch) {
  const at::Tensor y = (pictures.to(at::kDouble).mean(1) + 1) / 2;
  switch (stretch.kind) {
    case Stretch::Kind::none:
    case Stretch::Kind::mean3sigma: return y;
    case Stretch::Kind::sqrt: return y * y.abs();
    case Stretch::Kind::log:
      return at::sign(y) * at::expm1(y.abs() * std::log1p(kLogGain)) / kLogGain;
    case Stretch::Kind::window: return (stretch.lo + y * (stretch.hi - stretch.lo)) / stretch.hi;
  }
  return y;
}

at::Tensor rayleigh_term(const at::Tensor& decoded, const at::Tensor& real, bool literal) {
  return literal ? literal_rayleigh(decoded, real.detach())
                 : local_rayleigh(decoded, real.detach());
}

at::Tensor histogram_term(const at::Tensor& decoded, const at::Tensor& real, std::int64_t bins) {
  return divergence(amplitude_histogram(real.detach(), bins), amplitude_histogram(decoded, bins));
}

at::Tensor spectrum_term(const at::Tensor& decoded, const at::Tensor& real) {
  const at::Tensor power = smoothed(periodogram(decoded)).clamp_min(kLeastPower);
  return (at::log(power) + periodogram(real.detach()) / power).mean(at::IntArrayRef(kImage));
}

RefinementTerms refinement_terms(const at::Tensor& decoded, const at::Tensor& real,
                                 const Refinement& config, const Stretch& stretch) {
  RefinementTerms terms;
  const at::Tensor amplitude = linear_amplitude(decoded, stretch);
  const at::Tensor truth = linear_amplitude(real, stretch).detach();
  const auto add = [&](const char* name, double weight, const at::Tensor& loss) {
    terms.push_back({name, weight, loss.to(at::kFloat), {}});
  };
  if (config.rayleigh_weight > 0) {
    add("rayleigh", config.rayleigh_weight,
        rayleigh_term(amplitude, truth, config.literal_rayleigh));
  }
  if (config.histogram_weight > 0) {
    add("histogram", config.histogram_weight,
        histogram_term(amplitude, truth, config.histogram_bins));
  }
  if (config.spectrum_weight > 0) {
    add("spectrum", config.spectrum_weight, spectrum_term(amplitude, truth));
  }
  if (config.anchor_weight > 0) {
    add("anchor", config.anchor_weight,
        (decoded.to(at::kFloat) - real).abs().mean(at::IntArrayRef(kPicture)));
  }
  return terms;
}

at::Tensor weighted_sum(const RefinementTerms& terms) {
  at::Tensor sum;
  for (const RefinementTerm& term : terms) {
    const at::Tensor weighted = term.weight * term.loss;
    sum = sum.defined() ? sum + weighted : weighted;
  }
  return sum;
}

void measure_gradients(RefinementTerms& terms, const at::Tensor& decoded) {
  for (RefinementTerm& term : terms) {
    const std::vector<at::Tensor> gradient = torch::autograd::grad(
        {term.loss.sum()}, {decoded}, /*grad_outputs=*/{}, /*retain_graph=*/true);
    term.pixel_gradient =
        term.weight * at::linalg_vector_norm(gradient[0].to(at::kFloat).flatten(1), 2, {{1}});
  }
}

RefinementTerms report_terms(const RefinementTerms& terms) {
  RefinementTerms report = terms;
  for (RefinementTerm& term : report) term.loss = term.loss.detach();
  return report;
}

}  // namespace sarsweep::trainer
