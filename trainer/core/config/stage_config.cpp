#include "trainer/core/config/stage_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

// nullptr where the field is absent or null.
const json* find(const json& nested, const char* group, const char* name) {
  if (!nested.is_object()) return nullptr;
  const auto outer = nested.find(group);
  if (outer == nested.end() || !outer->is_object()) return nullptr;
  const auto inner = outer->find(name);
  return inner == outer->end() || inner->is_null() ? nullptr : &*inner;
}

template <typename T>
void read(const json& nested, const char* group, const char* name, T& target) {
  const json* value = find(nested, group, name);
  if (value == nullptr) return;
  try {
    target = value->get<T>();
  } catch (const json::exception&) {
    const std::string field = std::string(group) + "." + name;
    throw Error(ErrorCode::invalid, field + " has the wrong type (got " + value->dump() + ")",
                field);
  }
}

void read_interval(const json& nested, const char* group, const char* name, Interval& target) {
  if (const json* value = find(nested, group, name)) {
    target = parse_interval(*value, std::string(group) + "." + name);
  }
}

void require_one_of(const std::string& field, const std::string& value,
                    const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  std::string list;
  for (const std::string& choice : choices) list += (list.empty() ? "" : ", ") + choice;
  throw Error(ErrorCode::invalid, field + " must be one of " + list + " (got '" + value + "')",
              field);
}

}  // namespace

long Interval::updates(double updates_per_epoch) const {
  if (amount <= 0) return 0;
  const double exact = epochs ? amount * updates_per_epoch : amount;
  return std::max(1L, std::lround(exact));
}

Interval parse_interval(const json& value, const std::string& field) {
  constexpr std::string_view kEpochs = "epochs";
  if (value.is_null()) return {};
  if (value.is_number() && value.get<double>() >= 0) return {value.get<double>(), false};
  if (value.is_string()) {
    std::string text = value.get<std::string>();
    const bool epochs = text.ends_with(kEpochs);
    if (epochs) text.resize(text.size() - kEpochs.size());
    double amount = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    if (whole && amount >= 0 && std::isfinite(amount)) return {amount, epochs};
  }
  throw Error(
      ErrorCode::invalid,
      field + " must be a number of updates or such as \"2epochs\" (got " + value.dump() + ")",
      field);
}

StageConfig parse_stage_config(const json& nested) {
  StageConfig config;
  read_interval(nested, "checkpoint", "every", config.checkpoint_every);
  read_interval(nested, "samples", "every", config.samples.every);
  read_interval(nested, "eval", "every", config.eval_every);
  read(nested, "samples", "prompts", config.samples.prompts);
  read(nested, "samples", "sampler", config.samples.sampler);
  read(nested, "samples", "negative", config.samples.negative);
  read(nested, "samples", "steps", config.samples.steps);
  read(nested, "samples", "cfg", config.samples.cfg);
  read(nested, "samples", "seed", config.samples.seed);
  read(nested, "export", "lora", config.exports.lora);
  read(nested, "export", "pipeline", config.exports.pipeline);
  read(nested, "export", "dtype", config.exports.dtype);
  require_one_of("export.lora", config.exports.lora, {"both", "kohya", "peft"});
  require_one_of("export.pipeline", config.exports.pipeline, {"none", "folder", "single_file"});
  require_one_of("export.dtype", config.exports.dtype, {"fp16", "bf16", "fp32"});
  if (config.samples.steps < 1) {
    throw Error(
        ErrorCode::invalid,
        "samples.steps must be at least 1 (got " + std::to_string(config.samples.steps) + ")",
        "samples.steps");
  }
  return config;
}

}  // namespace sarsweep::trainer
