#include "coordinator/sweep/wandb_parameters.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

constexpr double kSlack = 1e-9;  // of a step

// As it would be written: 0.3, not 0.30000000000000004.
double rounded(double value) { return std::stod(fmt::format("{:.12g}", value)); }

std::optional<double> number_in(const YamlNode& map, std::string_view key) {
  const YamlEntry* entry = find_entry(map, key);
  if (entry == nullptr || !entry->value.scalar.is_number()) return std::nullopt;
  return entry->value.scalar.get<double>();
}

bool is_whole(const YamlNode& map, std::string_view key) {
  const YamlEntry* entry = find_entry(map, key);
  return entry != nullptr && entry->value.scalar.is_number_integer();
}

std::string distribution_of(const YamlNode& map) {
  const YamlEntry* entry = find_entry(map, "distribution");
  if (entry != nullptr && entry->value.is_text()) return entry->value.scalar.get<std::string>();
  const bool whole = is_whole(map, "min") && is_whole(map, "max");
  return whole ? "int_uniform" : "uniform";
}

// Every step of a range, or nothing where it has none or too many.
std::vector<json> steps_of(const YamlNode& map, double low, double high) {
  const std::string distribution = distribution_of(map);
  const double step = distribution == "q_uniform" ? number_in(map, "q").value_or(1) : 1;
  const bool stepped = distribution == "int_uniform" || distribution == "q_uniform";
  if (!stepped || !(step > 0) || !(high >= low) || !((high - low) / step < kMostSteps)) return {};
  const bool whole = low == std::floor(low) && step == std::floor(step);
  std::vector<json> values;
  const auto last = static_cast<int>(std::floor((high - low) / step + kSlack));
  for (int i = 0; i <= last; ++i) {
    const double value = low + i * step;
    values.push_back(whole ? json(static_cast<std::int64_t>(value)) : json(rounded(value)));
  }
  return values;
}

class ParametersReader {
 public:
  explicit ParametersReader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  std::vector<WandbParameter> take() { return std::move(parameters_); }

  void read(const YamlNode& map, const std::string& prefix) {
    if (!map.is_map()) {
      diagnostics_.error(map.place, "wrong_type", "parameters must be a map of names",
                         "write parameters: {learning_rate: {values: [1e-5, 5e-5]}}");
      return;
    }
    for (const YamlEntry& entry : map.entries) read_one(entry, prefix + entry.key);
  }

 private:
  void read_one(const YamlEntry& entry, const std::string& name) {
    const YamlNode& node = entry.value;
    if (const YamlEntry* nested = find_entry(node, "parameters")) {
      read(nested->value, name + ".");
    } else if (const YamlEntry* value = find_entry(node, "value")) {
      parameters_.push_back({name, entry.place, {to_json(value->value)}});
    } else if (const YamlEntry* values = find_entry(node, "values")) {
      read_values(name, entry.place, *values);
    } else {
      read_range(name, entry);
    }
  }

  void read_values(const std::string& name, Place place, const YamlEntry& values) {
    if (!values.value.is_list() || values.value.items.empty()) {
      diagnostics_.error(values.place, "wrong_type",
                         "the values of '" + name + "' must be a list with something in it",
                         "write values: [1e-5, 5e-5]");
      return;
    }
    WandbParameter parameter{name, place, {}};
    for (const YamlNode& item : values.value.items) parameter.values.push_back(to_json(item));
    parameters_.push_back(std::move(parameter));
  }

  void read_range(const std::string& name, const YamlEntry& entry) {
    const auto low = number_in(entry.value, "min");
    const auto high = number_in(entry.value, "max");
    const bool shaped =
        find_entry(entry.value, "mu") != nullptr || find_entry(entry.value, "sigma") != nullptr;
    if (!shaped && !(low && high)) {
      diagnostics_.error(entry.place, "bad_parameter",
                         "'" + name + "' has neither value nor values nor min and max",
                         "give it one of them, as in " + entry.key + ": {values: [1, 2]}");
      return;
    }
    WandbParameter parameter{name, entry.place, {}};
    if (!shaped) parameter.values = steps_of(entry.value, *low, *high);
    parameters_.push_back(std::move(parameter));
  }

  Diagnostics& diagnostics_;
  std::vector<WandbParameter> parameters_;
};

}  // namespace

std::vector<WandbParameter> read_wandb_parameters(const YamlNode& map, Diagnostics& diagnostics) {
  ParametersReader reader(diagnostics);
  reader.read(map, "");
  return reader.take();
}

}  // namespace sarsweep::sweep
