#include "schema/config/fields_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "schema/config/field_value.h"
#include "schema/config/fields.h"

namespace sarsweep::config {
namespace {

constexpr std::string_view kHead =
    "# Fields of a run\n\n"
    "Made from the table in `schema/config/`; `cmake --build … --target fields_doc` writes it "
    "anew.\n\n"
    "*Class*: science can change the trained weights, judge what is measured on them, exec "
    "neither.\n"
    "*Step* is an optimizer update; an interval is a number of updates, or such as `2epochs`.\n"
    "`text_encoders.X` sets `text_encoder_1.X` and `text_encoder_2.X`. Fields and values marked "
    "*later*\n"
    "are part of the language and refused by this version.\n";

// A bar ends a table cell even inside backticks.
std::string cell(std::string text) {
  for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) {
    text.insert(at, "\\");
  }
  return text;
}

std::string bound(double value) { return display(nlohmann::json(value)); }

std::string legal(const Field& field) {
  std::string text;
  for (const std::string& choice : field.choices) {
    const bool later =
        field.supported && field.type == FieldType::choice && !field.supported_choices.empty() &&
        std::find(field.supported_choices.begin(), field.supported_choices.end(), choice) ==
            field.supported_choices.end();
    text += (text.empty() ? "`" : ", `") + choice + (later ? "` (later)" : "`");
  }
  std::string range;
  if (field.low) range = (field.low_open ? "> " : "≥ ") + bound(*field.low);
  if (field.high) range += (range.empty() ? "≤ " : ", ≤ ") + bound(*field.high);
  if (!range.empty()) text += (text.empty() ? "" : " or ") + range;
  if (!field.choices.empty() && field.type == FieldType::path) text += " or a path";
  if (!field.choices.empty() && field.type == FieldType::choice) return text;
  if (!field.supported_choices.empty()) {
    text += fmt::format("{}only {} now", text.empty() ? "" : "; ",
                        fmt::join(field.supported_choices, ", "));
  }
  return text;
}

std::string usual(const Field& field) {
  if (!field.default_text.empty()) return std::string(field.default_text);
  return "`" + display(field.default_value) + "`";
}

std::string row(const Field& field) {
  const std::string unit = field.unit.empty() ? "" : fmt::format(" ({})", field.unit);
  return fmt::format("| `{}` | {}{} | {} | {} | {} | {}{} |\n", field.name, to_string(field.type),
                     unit, cell(usual(field)), cell(legal(field)), to_string(field.field_class),
                     cell(std::string(field.help)), field.supported ? "" : " (later)");
}

std::string_view group_of(const Field& field) { return field.name.substr(0, field.name.find('.')); }

}  // namespace

std::string fields_page() {
  std::string page(kHead);
  std::string_view group;
  for (const Field& field : fields()) {
    if (group_of(field) != group) {
      group = group_of(field);
      page += fmt::format(
          "\n## {}\n\n| field | type | default | legal | class | meaning |\n"
          "| --- | --- | --- | --- | --- | --- |\n",
          group);
    }
    page += row(field);
  }
  return page;
}

}  // namespace sarsweep::config
