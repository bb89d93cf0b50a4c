#include "trainer/torch/training/refinement_terms.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/scatter_add.h>
#include <ATen/ops/sign.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <cmath>
#include <cstdlib>

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/expm1.h>

namespace sarsweep::trainer {
namespace {

constexpr double kSaturated = 0.999;
constexpr double kLeastPower = 1e-5;      // of local
constexpr double kLeastAmplitude = 1e-3;  // of literal
constexpr std::int64_t kBox = 7;
constexpr double kPrior = 0.5;  // counts added to every bin
constexpr std::array<std::int64_t, 2> kImage = {1, 2};
// Rows and columns between the two pixels of a difference: every direction within two pixels, then
// the periods in which a decoder without enough to say would repeat itself: without 3 it weaves
// with that period, 4 and 8 are its own grid.
constexpr std::array<std::array<std::int64_t, 2>, 22> kOffsets = {
    {{0, 1},  {1, 0}, {1, 1}, {1, -1}, {0, 2},  {2, 0}, {1, 2}, {1, -2}, {2, 1},  {2, -1}, {2, 2},
     {2, -2}, {0, 3}, {3, 0}, {3, 3},  {3, -3}, {0, 4}, {4, 0}, {4, 4},  {4, -4}, {0, 8},  {8, 0}}};
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

at::Tensor difference_histogram(const at::Tensor& amplitudes, std::int64_t rows,
                                std::int64_t columns, std::int64_t bins) {
  const std::int64_t height = amplitudes.size(1) - rows;
  const std::int64_t width = amplitudes.size(2) - std::abs(columns);
  const at::Tensor here =
      amplitudes.narrow(1, 0, height).narrow(2, columns < 0 ? -columns : 0, width);
  const at::Tensor there =
      amplitudes.narrow(1, rows, height).narrow(2, columns < 0 ? 0 : columns, width);
  const at::Tensor difference = (there - here).flatten(1);
  return soft_histogram((difference + 1) / 2, at::ones_like(difference), bins);
}

at::Tensor divergence(const at::Tensor& p, const at::Tensor& q) {
  return (p * (at::log(p) - at::log(q))).sum(1);
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

at::Tensor texture_term(const at::Tensor& decoded, const at::Tensor& real, std::int64_t bins) {
  at::Tensor sum;
  for (const auto& [rows, columns] : kOffsets) {
    const at::Tensor term = divergence(difference_histogram(real.detach(), rows, columns, bins),
                                       difference_histogram(decoded, rows, columns, bins));
    sum = sum.defined() ? sum + term : term;
  }
  return sum / static_cast<double>(kOffsets.size());
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
  if (config.texture_weight > 0) {
    add("texture", config.texture_weight, texture_term(amplitude, truth, config.histogram_bins));
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
