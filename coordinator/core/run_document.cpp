#include "coordinator/core/run_document.h"

#include <fmt/format.h>

#include <optional>

#include "coordinator/core/parent_checkpoint.h"
#include "schema/base/error.h"
#include "schema/config/fields.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

std::string parent_path(Core& core, Connection& connection, const RunRow& run) {
  RunStore runs(connection);
  const RunRow named = runs.need(*run.parent);
  const RunRow parent = runs.need(named.data_run());
  CheckpointStore checkpoints(connection);
  auto checkpoint = checkpoints.pinned_by(run.id);
  if (!checkpoint) checkpoint = chosen_checkpoint(connection, parent, run.parent_checkpoint);
  if (!checkpoint) {
    throw Error(ErrorCode::invalid, fmt::format("the parent {} has no checkpoint to start from; "
                                                "retry it with from_scratch",
                                                named.name));
  }
  checkpoints.pin(run.id, *checkpoint);
  return folder_of(core, parent, *checkpoint).string();
}

}  // namespace

json with_absolute_paths(const json& config, const json& path_bases) {
  json absolute = config;
  for (const auto& [field, base] : path_bases.items()) {
    if (!absolute.contains(field) || !absolute[field].is_string()) continue;
    const std::string written = absolute[field];
    if (written.empty()) continue;
    absolute[field] =
        (std::filesystem::path(base.get<std::string>()) / written).lexically_normal().string();
  }
  return absolute;
}

std::filesystem::path folder_of(const Core& core, const RunRow& run,
                                const CheckpointRow& checkpoint) {
  return run_dir::attempt_dir(core.options.store, run.uid, checkpoint.epoch) / checkpoint.path;
}

RunDocument document_of(Core& core, Connection& connection, const RunRow& run) {
  json flat = with_absolute_paths(run.config.whole(), json::parse(run.path_bases));
  const json protocol = core.language.resolve_protocol(flat);
  if (run.parent) flat["model.path"] = parent_path(core, connection, run);
  RunDocument document;
  json resume = json::array();
  for (const CheckpointRow& checkpoint : CheckpointStore(connection).of_run(run.id)) {
    resume.push_back({{"checkpoint", folder_of(core, run, checkpoint).string()},
                      {"step", checkpoint.step},
                      {"manifest_sha256", checkpoint.manifest_sha256}});
  }
  if (!resume.empty()) document.resume_step = resume.front()["step"];
  document.run_json = {{"run_id", run.uid},
                       {"name", run.name},
                       {"lease_epoch", run.lease_epoch},
                       {"seed", run.seed},
                       {"micro_halvings", run.micro_halvings},
                       {"cache_dir", (core.options.home / "cache").string()},
                       {"protocol", protocol},
                       {"config", config::nest(flat)},
                       {"resume", resume}};
  return document;
}

}  // namespace sarsweep::coordinator
