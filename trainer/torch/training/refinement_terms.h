#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/core/config/run_config.h"
#include "trainer/core/images/amplitude.h"

// What makes a decoded picture radar: its pixels' statistics beside those of the real picture
// (docs/refinement.md has the definition and why it is so). Used by job vae and by decoder
// refinement. Both pictures are [B,3,H,W] in [-1,1]; the gradient reaches the decoded one alone.
//
// Amplitude is the mean over the channels of (x + 1) / 2, not clamped, through the inverse of the
// stretch, in units of the amplitude that the stretch maps to 1.
namespace sarsweep::trainer {

// Linear amplitude [B,H,W] fp64 of pictures, differentiable: the terms are sums over all pixels,
// and in fp64 they round less than one pass through the decoder. sqrt and log continue below 0 as
// odd functions, so that the gradient keeps its sign there.
at::Tensor linear_amplitude(const at::Tensor& pictures, const Stretch& stretch);

// [B]. The real amplitude's likelihood under the decoded local power: mean over the pixels
// with real a <= 0.999 of ln s + a^2 / (2 s), s = half the 7x7 box mean of the decoded squared
// amplitude (at the edge over the pixels that exist), at least 1e-5. `literal`, the decoded
// amplitude's likelihood under the real image's power: mean over the pixels of -ln(x / s) + x^2 /
// (2 s), x = max(decoded, 1e-3), s = half the mean of the real squared amplitude of that image.
at::Tensor rayleigh_term(const at::Tensor& decoded, const at::Tensor& real, bool literal);

// [B], nats: KL(real || decoded) of soft histograms with `bins` equal bins on [0,1],
// triangular kernel on the bin centres, what lies beyond the outer centres in the end bins,
// amplitudes above 0.999 left out, one half added to every bin.
at::Tensor histogram_term(const at::Tensor& decoded, const at::Tensor& real, std::int64_t bins);

// [B]. The real picture's periodogram P under the spectrum S of the decoded one (Whittle's
// likelihood): mean over the frequencies of ln S + P / S; P = |F(a - mean a)|^2 / (H W), S the 5x5
// mean of the decoded picture's periodogram around each frequency, across the ends, at least 1e-5.
// A period that the real picture lacks costs at every length, whichever way it runs.
at::Tensor spectrum_term(const at::Tensor& decoded, const at::Tensor& real);

struct RefinementTerm {
  std::string name;  // "rayleigh", "histogram", "spectrum", "anchor": mean |decoded -
                     // real| over C, H, W
  double weight = 0;
  at::Tensor loss;  // [B] fp32, not weighted
  at::Tensor
      pixel_gradient;  // [B] fp32: norm of weight x d loss / d picture; undefined unless asked
};
// Those that have a weight.
using RefinementTerms = std::vector<RefinementTerm>;
RefinementTerms refinement_terms(const at::Tensor& decoded, const at::Tensor& real,
                                 const Refinement& config, const Stretch& stretch);

at::Tensor weighted_sum(const RefinementTerms& terms);  // [B]; undefined if there are none
// Fills in pixel_gradient: how strongly each term pulls at the picture. Costs no pass through the
// decoder. `decoded` must be what the terms were made of, with graph.
void measure_gradients(RefinementTerms& terms, const at::Tensor& decoded);
// Off the graph.
RefinementTerms report_terms(const RefinementTerms& terms);

}  // namespace sarsweep::trainer
