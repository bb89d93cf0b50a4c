#include "coordinator/core/planned_row.h"

#include "schema/base/digest.h"
#include "schema/config/size.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

std::int64_t priority_of(const config::RunValues& config) {
  const std::string& priority = config.at("resources.priority").text();  // JSON
  if (priority == R"("high")") return 1;
  return priority == R"("low")" ? -1 : 0;
}

std::string text_of(const config::Value& object) { return object.is_null() ? "{}" : object.text(); }

}  // namespace

RunRow row_of(const PlannedRun& planned, std::int64_t now_ms) {
  RunRow run;
  run.uid = "r" + random_hex(8);
  run.name = planned.name;
  run.cell = planned.cell;
  run.label = planned.label;
  run.study = planned.study;
  run.seed = planned.seed;
  run.cell_hash = planned.cell_hash;
  run.run_hash = planned.run_hash;
  run.judge_hash = planned.judge_hash;
  if (planned.parent) run.parent_checkpoint = planned.parent->checkpoint;
  if (run.parent_checkpoint.empty()) run.parent_checkpoint = "last";
  if (planned.parent && planned.parent->best)
    run.parent_choice = json(*planned.parent->best).dump();
  run.axes = text_of(planned.axes);
  run.path_bases = text_of(planned.path_bases);
  run.priority = priority_of(planned.config);
  const json& retries = planned.config["resources.retries"];
  run.retries = retries.is_null() ? 2 : retries.get<std::int64_t>();
  const json& slots = planned.config["resources.gpus"];
  run.slots = slots.is_null() ? 1 : slots.get<std::int64_t>();
  const json& device = planned.config["resources.device"];
  run.device = device.is_null() ? "auto" : device.get<std::string>();
  const json& vram = planned.config["resources.vram"];
  if (!vram.is_null()) run.vram = config::parse_size(vram.get<std::string>()).value();
  run.state = planned.parent || planned.alias_of ? RunState::waiting : RunState::queued;
  run.created_ms = now_ms;
  return run;
}

}  // namespace sarsweep::coordinator
