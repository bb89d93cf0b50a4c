#include "coordinator/sweep/wandb_import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <optional>
#include <utility>

#include "coordinator/sweep/known_metrics.h"
#include "coordinator/sweep/names.h"
#include "coordinator/sweep/sweep_file.h"
#include "coordinator/sweep/typed_scalar.h"
#include "coordinator/sweep/wandb_names.h"
#include "coordinator/sweep/wandb_parameters.h"
#include "coordinator/sweep/yaml_reader.h"

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

// How a script is started and where W&B files it: sarsweep trains itself and files by sweep.
constexpr std::array<std::string_view, 7> kOfTheScript = {
    "program", "command", "project", "entity", "controller", "imageuri", "job"};
constexpr std::array<std::string_view, 2> kSeeds = {"seed", "random_seed"};

template <class List>
bool is_in(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

struct Swept {
  std::string field;
  std::vector<json> values;  // one: fixed
};

// What the sweep file will say.
struct Draft {
  std::string name, description, metric, goal;
  std::vector<json> seeds;
  std::vector<Swept> fields;
  std::vector<std::string> left_out;  // one line each
};

// As a person would write it: in small letters, words set apart by one dash.
std::string sweep_name_of(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string name = as_name(std::move(text));
  const auto dashes = [](char a, char b) { return a == '-' && b == '-'; };
  name.erase(std::unique(name.begin(), name.end(), dashes), name.end());
  return name;
}

class Importer {
 public:
  Importer(std::string file, Diagnostics& diagnostics)
      : file_(std::move(file)), diagnostics_(diagnostics) {}

  Draft read(const YamlNode& root) {
    draft_.name = sweep_name_of(std::filesystem::path(file_).stem().string());
    const YamlEntry* parameters = find_entry(root, "parameters");
    if (parameters == nullptr) {
      diagnostics_.error(root.place, "no_parameters", "there is no parameters: block here",
                         "give a W&B sweep configuration; sweep files of sarsweep need no import");
      return draft_;
    }
    parameters_ = read_wandb_parameters(parameters->value, diagnostics_);
    for (const WandbParameter& parameter : parameters_) read_parameter(parameter);
    read_batch();
    settle_length();
    imply_modes();
    for (const YamlEntry& entry : root.entries) read_key(entry);
    if (draft_.name.empty()) draft_.name = "imported";
    return std::move(draft_);
  }

 private:
  void leave_out(Place place, const std::string& what, const std::string& why,
                 const std::string& cure) {
    diagnostics_.warning(place, "not_imported", what + " is left out: " + why, cure);
    draft_.left_out.push_back(fmt::format("{} (line {}): {}; {}", what, place.line, why, cure));
  }

  Swept* find(const std::string& field) {
    const auto found = std::find_if(draft_.fields.begin(), draft_.fields.end(),
                                    [&](const Swept& swept) { return swept.field == field; });
    return found == draft_.fields.end() ? nullptr : &*found;
  }

  const WandbParameter* parameter(std::string_view name) const {
    const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                    [name](const WandbParameter& p) { return p.name == name; });
    return found == parameters_.end() ? nullptr : &*found;
  }

  void read_parameter(const WandbParameter& parameter) {
    if (parameter.values.empty()) {
      leave_out(parameter.place, parameter.name, "its range has no steps to list",
                "choose values and list them under grid");
    } else if (is_in(kSeeds, parameter.name)) {
      draft_.seeds = parameter.values;
    } else if (parameter.name != kImagesOfAPass && parameter.name != kPassesOfAnUpdate) {
      read_field(parameter);
    }
  }

  void read_field(const WandbParameter& parameter) {
    const std::string field = field_of_parameter(parameter.name);
    if (field.empty()) {
      leave_out(parameter.place, parameter.name, "no field has this name", "see: sarsweep explain");
      return;
    }
    if (find(field) != nullptr) {
      diagnostics_.error(
          parameter.place, "given_twice",
          fmt::format("'{}' means {}, which another parameter gives, too", parameter.name, field),
          "keep one of the two");
      return;
    }
    Swept swept{field, {}};
    for (const json& value : parameter.values) swept.values.push_back(value_in_field(field, value));
    draft_.fields.push_back(std::move(swept));
  }

  // Images of an update = images of a pass x passes; one of them may vary.
  void read_batch() {
    const WandbParameter* images = parameter(kImagesOfAPass);
    const WandbParameter* passes = parameter(kPassesOfAnUpdate);
    if (images == nullptr && passes == nullptr) return;
    const std::vector<json> once = {1};
    const std::vector<json>& counts = passes == nullptr ? once : passes->values;
    const bool both_vary = images != nullptr && images->values.size() > 1 && counts.size() > 1;
    if (images == nullptr || both_vary || !all_whole(images->values) || !all_whole(counts)) {
      leave_out((images == nullptr ? passes : images)->place,
                fmt::format("{} x {}", kImagesOfAPass, kPassesOfAnUpdate),
                "their product, the images of an update, cannot be told",
                "list the products under train.global_batch");
      return;
    }
    Swept batch{"train.global_batch", {}};
    for (const json& image : images->values) {
      for (const json& count : counts) {
        batch.values.push_back(image.get<std::int64_t>() * count.get<std::int64_t>());
      }
    }
    draft_.fields.push_back(std::move(batch));
    if (images->values.size() == 1) draft_.fields.push_back({"train.micro_batch", images->values});
  }

  static bool all_whole(const std::vector<json>& values) {
    return !values.empty() && std::all_of(values.begin(), values.end(), [](const json& value) {
      return value.is_number_integer() && value.get<std::int64_t>() > 0 &&
             value.get<std::int64_t>() < (1 << 20);
    });
  }

  // Scripts let a number of steps win over a number of epochs; here one of them is given.
  void settle_length() {
    if (find("train.steps") == nullptr || find("train.epochs") == nullptr) return;
    for (const WandbParameter& parameter : parameters_) {
      if (field_of_parameter(parameter.name) != "train.epochs") continue;
      leave_out(parameter.place, parameter.name, "the number of steps decides",
                "keep one of the two");
    }
    draft_.fields.erase(std::remove_if(draft_.fields.begin(), draft_.fields.end(),
                                       [](const Swept& s) { return s.field == "train.epochs"; }),
                        draft_.fields.end());
  }

  bool any_of_group(std::string_view group) const {
    return std::any_of(draft_.fields.begin(), draft_.fields.end(),
                       [group](const Swept& swept) { return swept.field.rfind(group, 0) == 0; });
  }

  // A rank says that there are factors; a text encoder's learning rate, that it trains.
  void imply_modes() {
    const bool lora = find("unet.rank") != nullptr || find("unet.alpha") != nullptr;
    if (lora && find("unet.mode") == nullptr) draft_.fields.push_back({"unet.mode", {"lora"}});
    for (const char* part : {"text_encoders", "text_encoder_1", "text_encoder_2"}) {
      const std::string mode = std::string(part) + ".mode";
      if (!any_of_group(std::string(part) + ".") || find(mode) != nullptr) continue;
      draft_.fields.push_back({mode, {lora ? "lora" : "full"}});
    }
  }

  void read_key(const YamlEntry& entry) {
    if (entry.key == "name" && entry.value.is_text()) {
      const std::string name = sweep_name_of(entry.value.scalar.get<std::string>());
      if (!name.empty()) draft_.name = name;
    } else if (entry.key == "description" && entry.value.is_text()) {
      draft_.description = entry.value.scalar.get<std::string>();
    } else if (entry.key == "metric") {
      read_metric(entry);
    } else if (entry.key == "method") {
      read_method(entry);
    } else if (is_in(kOfTheScript, entry.key)) {
      draft_.left_out.push_back(
          fmt::format("{} (line {}): of the script and of W&B alone", entry.key, entry.place.line));
    } else if (entry.key == "early_terminate") {
      leave_out(entry.place, entry.key, "every run here is trained to its end",
                "cancel what is not worth it: sarsweep cancel");
    } else if (entry.key == "run_cap") {
      leave_out(entry.place, entry.key, "submit takes every combination",
                "list fewer values under grid");
    } else if (entry.key != "parameters") {
      leave_out(entry.place, entry.key, "sweep files have no such key", "see docs/fields.md");
    }
  }

  void read_metric(const YamlEntry& entry) {
    const YamlEntry* name = find_entry(entry.value, "name");
    const YamlEntry* goal = find_entry(entry.value, "goal");
    if (name == nullptr || !name->value.is_text()) return;
    std::string metric = name->value.scalar.get<std::string>();
    if (produced(metric) != Produced::yes) std::replace(metric.begin(), metric.end(), '_', '/');
    if (produced(metric) != Produced::yes) {
      leave_out(name->place, "metric " + name->value.scalar.get<std::string>(),
                "no run logs it, so the leaderboard ranks by eval/kl_pooled",
                "choose one of docs/evaluation.md as the objective");
      return;
    }
    draft_.metric = metric;
    draft_.goal =
        goal != nullptr && goal->value.scalar == json("maximize") ? "maximize" : "minimize";
  }

  void read_method(const YamlEntry& entry) {
    if (entry.value.scalar == json("grid")) return;
    double runs = static_cast<double>(std::max<std::size_t>(draft_.seeds.size(), 1));
    for (const Swept& swept : draft_.fields) runs *= static_cast<double>(swept.values.size());
    leave_out(entry.place, fmt::format("method {}", to_json(entry.value).dump()),
              fmt::format("nothing is drawn here, all {} combinations are trained", runs),
              "list fewer values under grid");
  }

  std::string file_;
  Diagnostics& diagnostics_;
  std::vector<WandbParameter> parameters_;
  Draft draft_;
};

// As YAML on one line. JSON is YAML; plain words go without quotes.
std::string written(const json& value) {
  if (!value.is_string()) return value.dump();
  const std::string text = value;
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.' || c == '/';
  });
  return plain && text.front() != '-' && typed_scalar(text).is_string() ? text : value.dump();
}

std::string written(const std::vector<json>& values) {
  std::vector<std::string> items;
  for (const json& value : values) items.push_back(written(value));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

void write_fields(std::string& text, const Draft& draft, bool fixed) {
  std::string block;
  for (const Swept& swept : draft.fields) {
    if ((swept.values.size() == 1) != fixed) continue;
    block += fmt::format("  {}: {}\n", swept.field,
                         fixed ? written(swept.values.front()) : written(swept.values));
  }
  if (!block.empty()) text += (fixed ? "base:\n" : "grid:\n") + block;
  if (block.empty() && !fixed) text += "runs:\n  imported: {}\n";
}

// What came from the file may not end a comment.
std::string on_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return text;
}

std::string written(const Draft& draft, const std::string& file) {
  const std::string source = std::filesystem::path(file).filename().string();
  std::string text = "# From " + on_one_line(source) + ", a W&B sweep, by: sarsweep import wandb\n";
  for (const std::string& line : draft.left_out) text += "# left out: " + on_one_line(line) + "\n";
  text += fmt::format("version: 1\nsweep: {}\n", written(json(draft.name)));
  if (!draft.description.empty()) {
    text += fmt::format("description: {}\n", json(draft.description).dump());
  }
  if (!draft.metric.empty()) {
    text += fmt::format("objective: {{metric: {}, goal: {}}}\n", draft.metric, draft.goal);
  }
  if (!draft.seeds.empty()) text += fmt::format("seeds: {}\n", written(draft.seeds));
  write_fields(text, draft, /*fixed=*/true);
  write_fields(text, draft, /*fixed=*/false);
  return text;
}

}  // namespace
}  // namespace sarsweep::sweep

namespace sarsweep::coordinator {

ImportedSweep import_wandb(const std::string& file, std::string_view text) {
  sweep::Diagnostics diagnostics(file, text);
  ImportedSweep imported;
  if (const auto root = sweep::read_yaml(text, diagnostics)) {
    const sweep::Draft draft = sweep::Importer(file, diagnostics).read(*root);
    if (!diagnostics.has_errors()) imported.text = sweep::written(draft, file);
  }
  imported.diagnostics = diagnostics.take();
  return imported;
}

}  // namespace sarsweep::coordinator
