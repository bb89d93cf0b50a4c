#include "schema/config/fields.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "schema/config/field_rows.h"

namespace sarsweep::config {
namespace {

constexpr std::string_view kBothEncoders = "text_encoders.";

const std::vector<Field>& table() {
  static const std::vector<Field> rows = [] {
    std::vector<Field> all;
    for (const auto& group : {source_rows(), network_rows(), training_rows(), judging_rows()}) {
      all.insert(all.end(), group.begin(), group.end());
    }
    return all;
  }();
  return rows;
}

std::string_view last_part(std::string_view dotted) { return dotted.substr(dotted.rfind('.') + 1); }

std::string_view group_of(std::string_view dotted) {
  const std::size_t dot = dotted.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : dotted.substr(0, dot);
}

}  // namespace

std::span<const Field> fields() { return table(); }

std::size_t position(const Field& field) {
  return static_cast<std::size_t>(&field - table().data());
}

const Field* find_field(std::string_view dotted) {
  static const std::unordered_map<std::string_view, const Field*> index = [] {
    std::unordered_map<std::string_view, const Field*> by_name;
    for (const Field& field : table()) by_name.emplace(field.name, &field);
    return by_name;
  }();
  const auto found = index.find(dotted);
  return found == index.end() ? nullptr : found->second;
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = std::exchange(row[0], static_cast<int>(i));
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
    }
  }
  return row.back();
}

std::string nearest_field(std::string_view dotted) {
  constexpr std::size_t kLongestName = 64;  // bounds the work on hostile input
  if (dotted.size() > kLongestName) return {};
  std::string best;
  int best_distance = 3;
  const auto consider = [&](std::string_view name, std::string_view wanted, int penalty) {
    const int distance = edit_distance(last_part(dotted), last_part(name)) +
                         edit_distance(group_of(dotted), group_of(wanted)) + penalty;
    if (distance >= best_distance) return;
    best_distance = distance;
    best = name;
  };
  for (const Field& field : fields()) {
    consider(field.name, field.name, 0);
    if (field.name.substr(0, 15) != "text_encoder_1.") continue;
    const std::string both = std::string(kBothEncoders) + std::string(last_part(field.name));
    consider(both, both, 0);
  }
  return best;
}

std::vector<std::string> spread(std::string_view dotted) {
  if (dotted.substr(0, kBothEncoders.size()) != kBothEncoders) return {std::string(dotted)};
  const std::string part(dotted.substr(kBothEncoders.size()));
  return {"text_encoder_1." + part, "text_encoder_2." + part};
}

std::string_view rival_of(std::string_view dotted) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kRivals = {
      {{"train.epochs", "train.steps"}, {"clip.epochs", "clip.steps"}}};
  for (const auto& [first, second] : kRivals) {
    if (dotted == first) return second;
    if (dotted == second) return first;
  }
  return {};
}

std::string_view to_string(FieldType type) {
  switch (type) {
    case FieldType::boolean: return "boolean";
    case FieldType::integer: return "integer";
    case FieldType::number: return "number";
    case FieldType::text: return "text";
    case FieldType::choice: return "choice";
    case FieldType::path: return "path";
    case FieldType::interval: return "interval";
    case FieldType::duration: return "duration";
    case FieldType::size: return "size";
    case FieldType::list: return "list";
    case FieldType::map: return "map";
    case FieldType::model: return "model";
    case FieldType::stretch: return "stretch";
  }
  return "text";
}

std::string_view to_string(FieldClass field_class) {
  switch (field_class) {
    case FieldClass::science: return "science";
    case FieldClass::judge: return "judge";
    case FieldClass::exec: return "exec";
  }
  return "science";
}

}  // namespace sarsweep::config
