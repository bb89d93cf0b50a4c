#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/metrics/clip_rank.h"
#include "trainer/core/metrics/divergence.h"
#include "trainer/core/metrics/glcm.h"

namespace sarsweep::trainer {

// Labels of fewer images are left out of means over labels.
inline constexpr int kSmallLabel = 10;

// Rounding gives some pairs of distance and angle the same offset: measured once, as the first of
// them.
struct GlcmRules {
  int levels = 32;
  std::vector<GlcmOffset> offsets;   // of every distance with every angle, in this order
  std::vector<GlcmOffset> distinct;  // those that repeat no earlier one
  std::vector<std::size_t> place;    // of each of `offsets`: where `distinct` has its pixels
};

// The keys of a protocol that act on metrics (docs/evaluation.md), each with the default it has
// where the protocol lacks it.
struct MetricRules {
  int bins = 256;
  int bits = 0;  // 0: not quantised
  double saturation = 0.999;
  Smoothing smoothing = Smoothing::eps;
  RankRules rank;
  GlcmRules glcm;
  std::string masks;         // empty: whole pictures; "builtin"; else a folder or a COCO file
  bool names_judge = false;  // `clip` is given
};

// Whether a protocol's `masks` names files of masks.
bool names_files(const std::string& masks);

// Throws Error(invalid, eval.<key>) for a value that no metric can honour.
MetricRules parse_metric_rules(const nlohmann::json& protocol);

}  // namespace sarsweep::trainer
