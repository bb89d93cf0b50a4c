#include "coordinator/sweep/labels.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "coordinator/sweep/best_parent.h"
#include "schema/config/field_value.h"
#include "schema/config/fields.h"

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

constexpr std::string_view kFirst = "text_encoder_1.";
constexpr std::string_view kSecond = "text_encoder_2.";

// Fields with a short form: what stands before the value in a label.
constexpr std::array<std::pair<std::string_view, std::string_view>, 21> kShort = {{
    {"job", ""},
    {"unet.mode", ""},
    {"unet.rank", "r"},
    {"unet.lr", "lr"},
    {"unet.targets", ""},
    {"text_encoders.mode", "te-"},
    {"text_encoders.rank", "te"},
    {"text_encoder_1.mode", "te1-"},
    {"text_encoder_1.rank", "te1r"},
    {"text_encoder_2.mode", "te2-"},
    {"text_encoder_2.rank", "te2r"},
    {"train.global_batch", "b"},
    {"train.steps", "s"},
    {"train.epochs", "ep"},
    {"clip.towers", ""},
    {"clip.lr", "lr"},
    {"clip.batch", "b"},
    {"clip.steps", "s"},
    {"clip.epochs", "ep"},
    {"vae.mode", "vae-"},
    {"model.path", "from-"},
}};

// A field or a group of both encoders, and where its value stands.
struct Swept {
  std::string name;
  const config::Field* field = nullptr;
};

Swept swept(const std::string& name) {
  return {name, config::find_field(config::spread(name).front())};
}

const config::Value& value_in(const Cell& cell, const config::Field* field) {
  return cell.config.at(*field);
}

bool encoders_agree(std::span<const Cell> cells, const std::string& part) {
  const config::Field* first = config::find_field(std::string(kFirst) + part);
  const config::Field* second = config::find_field(std::string(kSecond) + part);
  return std::all_of(cells.begin(), cells.end(), [&](const Cell& cell) {
    return value_in(cell, first) == value_in(cell, second);
  });
}

std::string joint_name(std::span<const Cell> cells, const std::string& field) {
  const bool encoder = field.starts_with(kFirst) || field.starts_with(kSecond);
  const std::string part = encoder ? field.substr(kFirst.size()) : "";
  return encoder && encoders_agree(cells, part) ? "text_encoders." + part : field;
}

// The fields that the rows of these cells set, in that order.
std::vector<std::string> fields_set(std::span<const Cell> cells) {
  std::vector<std::string> order;
  std::vector<bool> seen(config::fields().size(), false);
  for (const Cell& cell : cells) {
    for (const SharedSetting& setting : cell.own) {
      const std::size_t position = config::position(*config::find_field(setting->field));
      if (!seen[position]) order.push_back(setting->field);
      seen[position] = true;
    }
  }
  return order;
}

// Those of them whose values differ.
std::vector<Swept> swept_fields(std::span<const Cell> cells) {
  std::vector<Swept> found;
  for (const std::string& field : fields_set(cells)) {
    const Swept one = swept(joint_name(cells, field));
    const bool known = std::any_of(found.begin(), found.end(),
                                   [&](const Swept& other) { return other.name == one.name; });
    if (known) continue;
    const config::Value& first = value_in(cells.front(), one.field);
    const bool varies = std::any_of(cells.begin(), cells.end(), [&](const Cell& cell) {
      return !(value_in(cell, one.field) == first);
    });
    if (varies) found.push_back(one);
  }
  return found;
}

std::string model_name(const json& model) {
  if (is_best(model)) return rank_name(model["best"], model["index"]);
  return model.is_object() ? model["run"].get<std::string>() : config::display(model);
}

// What stands before the value of a field in a label.
std::string prefix_of(const std::string& field) {
  for (const auto& [name, prefix] : kShort) {
    if (name == field) return std::string(prefix);
  }
  return field.substr(field.rfind('.') + 1) + "=";
}

std::string shown(const std::string& field, const json& value) {
  return field == "model.path" ? model_name(value) : config::display(value);
}

void label_study(std::span<Cell> cells) {
  const std::vector<Swept> swept = swept_fields(cells);
  std::vector<std::string> prefixes;
  for (const Swept& one : swept) prefixes.push_back(prefix_of(one.name));
  for (Cell& cell : cells) {
    for (std::size_t i = 0; i < swept.size(); ++i) {
      const json& value = value_in(cell, swept[i].field).json();
      if (value.is_null()) continue;
      cell.axes[swept[i].name] = value;
      cell.label += (cell.label.empty() ? "" : " ") + prefixes[i] + shown(swept[i].name, value);
    }
  }
}

}  // namespace

void label_cells(std::vector<Cell>& cells) {
  for (std::size_t start = 0; start < cells.size();) {
    std::size_t end = start;
    while (end < cells.size() && cells[end].study == cells[start].study) ++end;
    label_study(std::span(cells).subspan(start, end - start));
    start = end;
  }
}

std::string label_word(const std::string& field, const json& value) {
  return prefix_of(field) + shown(field, value);
}

}  // namespace sarsweep::sweep
