#include "coordinator/sweep/best_parent.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/sweep/known_metrics.h"
#include "coordinator/sweep/sweep_file.h"
#include "schema/config/field_value.h"

namespace sarsweep::sweep {
namespace {

using nlohmann::json;

constexpr const char* kCure = "write parent: {best: STUDY, k: 2, checkpoint: best}";
const std::vector<std::string_view> kKeys = {"best", "k", "by", "checkpoint", "per_seed"};

class BestReader {
 public:
  explicit BestReader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  std::optional<json> read(const YamlNode& map) {
    for (const YamlEntry& entry : map.entries) read_entry(entry);
    if (find_entry(map, "best") == nullptr) {
      refuse(map.place, "missing", "a parent given as a map needs best: the name of a study");
    }
    return wrong_ ? std::nullopt : std::optional(value_);
  }

 private:
  void refuse(Place place, const char* code, const std::string& message,
              const std::string& cure = kCure) {
    diagnostics_.error(place, code, message, cure);
    wrong_ = true;
  }

  static std::string got(const YamlEntry& entry) {
    return " (got " + config::describe(to_json(entry.value)) + ")";
  }

  void read_entry(const YamlEntry& entry) {
    const json& given = entry.value.scalar;
    if (entry.key == "best") {
      if (!entry.value.is_text())
        refuse(entry.value.place, "wrong_type", "best must name a study" + got(entry));
    } else if (entry.key == "k") {
      const bool whole = entry.value.kind == YamlNode::Kind::scalar && given.is_number_integer();
      if (!whole || given < 1 || given > kMostBest) {
        refuse(entry.value.place, "bad_value",
               fmt::format("k must be a whole number from 1 to {}{}", kMostBest, got(entry)));
      }
    } else if (entry.key == "by") {
      check_by(entry);
    } else if (entry.key == "checkpoint") {
      if (!entry.value.is_text() || (given != "last" && given != "best"))
        refuse(entry.value.place, "bad_value", "checkpoint must be one of last, best" + got(entry));
    } else if (entry.key == "per_seed") {
      if (entry.value.kind != YamlNode::Kind::scalar || !given.is_boolean())
        refuse(entry.value.place, "bad_value", "per_seed must be true or false" + got(entry));
    } else {
      report_key(entry, kKeys, "a parent", diagnostics_);
      wrong_ = true;
    }
    if (!wrong_) value_[entry.key] = given;
  }

  // Choosing by the test split would make the child's own result on it worth nothing.
  void check_by(const YamlEntry& entry) {
    const std::string by = entry.value.is_text() ? entry.value.scalar.get<std::string>() : "";
    if (!by.starts_with("val/") && !by.starts_with("eval_val/")) {
      refuse(entry.value.place, "bad_value",
             "by must be a metric of the validation split, val/* or eval_val/*" + got(entry),
             "write by: val/loss");
    } else if (produced(by) != Produced::yes) {
      refuse(entry.value.place, "bad_value", "no run of this version produces '" + by + "'",
             "write by: val/loss");
    }
  }

  Diagnostics& diagnostics_;
  json value_ = {
      {"k", 1}, {"by", nullptr}, {"checkpoint", "last"}, {"per_seed", true}, {"index", 0}};
  bool wrong_ = false;
};

}  // namespace

std::optional<json> read_best(const YamlNode& map, Diagnostics& diagnostics) {
  return BestReader(diagnostics).read(map);
}

std::int64_t parents_of(const Row& row) {
  const Setting* model = row.find("model.path");
  if (model == nullptr || !is_best(model->value.json())) return 1;
  return model->value.json().at("k");
}

SharedSetting with_rank(const Setting& setting, std::int64_t index) {
  Setting ranked = setting;
  json value = setting.value.json();
  value["index"] = index;
  ranked.value = config::Value(std::move(value));
  return std::make_shared<const Setting>(std::move(ranked));
}

bool is_best(const json& model) { return model.is_object() && model.contains("best"); }

BestRef best_ref(const json& model, const json& best_by) {
  BestRef best;
  best.study = model.at("best");
  best.by = model.at("by").is_null() ? best_by.get<std::string>() : model["by"].get<std::string>();
  best.index = model.at("index");
  best.per_seed = model.at("per_seed");
  return best;
}

}  // namespace sarsweep::sweep
