#include "trainer/torch/jobs/evaluation_protocol.h"

#include <utility>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr int kPerLabel = 10;  // where a protocol by hand says nothing

}  // namespace

ProtocolItems protocol_items(const json& block, const DataOptions& options,
                             const std::string& split, const std::optional<Stretch>& measured) try {
  const std::string chosen = split.empty() ? block.value("split", std::string("test")) : split;
  Dataset data(options, chosen, measured);
  std::vector<std::size_t> items = evaluation_items(data, block.value("per_label", kPerLabel));
  if (items.empty()) {
    throw Error(ErrorCode::invalid, "the split '" + chosen + "' of " + options.path.string() +
                                        " has no image to evaluate on");
  }
  return {chosen, std::move(data), std::move(items)};
} catch (const json::exception& error) {
  throw Error(ErrorCode::invalid,
              std::string("run.json: a key of protocol has the wrong type: ") + error.what(),
              "protocol");
}

Stretch judged_stretch(const json& block, const DataOptions& options, const Stretch& of_the_run) {
  if (!block.contains("stretch") || block["stretch"].is_null()) return of_the_run;
  DataOptions judged = options;
  judged.stretch = block["stretch"];
  judged.stretch_scope = "dataset";
  return measured_stretch(judged, judged.stretch, judged.stretch_scope);
}

}  // namespace sarsweep::trainer
