#include "coordinator/sweep/labels.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
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
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kShort = {{
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
    {"vae.mode", "vae-"},
    {"model.path", "from-"},
}};

const json& value_in(const Cell& cell, const std::string& field) {
  return cell.config[config::spread(field).front()];
}

bool encoders_agree(std::span<const Cell> cells, const std::string& part) {
  return std::all_of(cells.begin(), cells.end(), [&](const Cell& cell) {
    return value_in(cell, std::string(kFirst) + part) ==
           value_in(cell, std::string(kSecond) + part);
  });
}

std::string joint_name(std::span<const Cell> cells, const std::string& field) {
  const bool encoder = field.starts_with(kFirst) || field.starts_with(kSecond);
  const std::string part = encoder ? field.substr(kFirst.size()) : "";
  return encoder && encoders_agree(cells, part) ? "text_encoders." + part : field;
}

// The fields that the rows of these cells set and whose values differ.
std::vector<std::string> swept_fields(std::span<const Cell> cells) {
  std::vector<std::string> order;
  std::set<std::string> seen;
  for (const Cell& cell : cells) {
    for (const SharedSetting& setting : cell.own) {
      if (seen.insert(setting->field).second) order.push_back(setting->field);
    }
  }
  std::vector<std::string> swept;
  for (const std::string& field : order) {
    const std::string name = joint_name(cells, field);
    if (std::find(swept.begin(), swept.end(), name) != swept.end()) continue;
    const json& first = value_in(cells.front(), name);
    const bool varies = std::any_of(cells.begin(), cells.end(), [&](const Cell& cell) {
      return value_in(cell, name) != first;
    });
    if (varies) swept.push_back(name);
  }
  return swept;
}

std::string model_name(const json& model) {
  if (is_best(model)) return rank_name(model["best"], model["index"]);
  return model.is_object() ? model["run"].get<std::string>() : config::display(model);
}

std::string short_form(const std::string& field, const json& value) {
  const std::string shown = field == "model.path" ? model_name(value) : config::display(value);
  for (const auto& [name, prefix] : kShort) {
    if (name == field) return std::string(prefix) + shown;
  }
  return field.substr(field.rfind('.') + 1) + "=" + shown;
}

void label_study(std::span<Cell> cells) {
  const std::vector<std::string> swept = swept_fields(cells);
  for (Cell& cell : cells) {
    for (const std::string& field : swept) {
      const json& value = value_in(cell, field);
      if (value.is_null()) continue;
      cell.axes[field] = value;
      cell.label += (cell.label.empty() ? "" : " ") + short_form(field, value);
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

}  // namespace sarsweep::sweep
