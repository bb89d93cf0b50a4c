#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

// The fields of a run's config that say what happens around the updates: `checkpoint`, `samples`,
// `eval` and `export` (names, units and defaults: docs/fields.md).
namespace sarsweep::trainer {

// Every so many updates, or epochs.
struct Interval {
  double amount = 0;  // 0: never
  bool epochs = false;
  // In updates, at least 1 where amount > 0.
  long updates(double updates_per_epoch) const;
};
// A number, or "2epochs"; null and 0 mean never. Throws Error(invalid) naming `field`.
Interval parse_interval(const nlohmann::json& value, const std::string& field);

struct SampleConfig {
  Interval every;
  std::vector<std::string> prompts;  // empty: the captions of the evaluation items
  std::string sampler = "euler", negative;
  int steps = 30;
  double cfg = 5.0;
  std::int64_t seed = 0;
};

struct ExportConfig {
  std::string lora = "both", pipeline = "none", dtype = "fp16";
};

struct StageConfig {
  Interval checkpoint_every{1000, false};
  SampleConfig samples;
  Interval eval_every;  // on the val split
  ExportConfig exports;
};

// Of run.json's `config`; what is missing has its default. Throws Error(invalid) naming the field.
StageConfig parse_stage_config(const nlohmann::json& nested);

}  // namespace sarsweep::trainer
