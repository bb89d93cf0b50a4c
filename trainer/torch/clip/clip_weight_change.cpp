#include "trainer/torch/clip/clip_weight_change.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <string>

#include "schema/base/error.h"
#include "trainer/torch/clip/clip_files.h"
#include "trainer/torch/files/change_table.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// "text_model.…" and "text_projection" are of the text tower, the scale of none.
std::string tower_of(const std::string& name) {
  if (name == "logit_scale") return name;
  return name.starts_with("text_") ? "text" : "image";
}

}  // namespace

json clip_weight_changes(const fs::path& base, const fs::path& tuned) {
  const ClipSource before = load_clip(base), after = load_clip(tuned);
  const NamedTensors left = clip_tensors(before.model), right = clip_tensors(after.model);
  ChangeTable table;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const auto& [name, tensor] = left[i];
    if (i >= right.size() || right[i].first != name || right[i].second.sizes() != tensor.sizes()) {
      throw Error(ErrorCode::invalid,
                  fmt::format("the models are not of one architecture: {} differs", name));
    }
    table.add(tower_of(name), name, tensor.to(at::kDouble), right[i].second.to(at::kDouble));
  }
  json document = table.document();
  document["base"] = base.string();
  document["tuned"] = tuned.string();
  document["warnings"] = json::array();
  return document;
}

}  // namespace sarsweep::trainer
