#include "coordinator/core/run_document.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "coordinator/store/metric_store.h"
#include "schema/base/error.h"
#include "schema/config/fields.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

// The checkpoint at which `metric` was lowest; the newest if it was never measured at one.
CheckpointRow best_of(Connection& connection, const std::vector<CheckpointRow>& checkpoints,
                      const std::string& metric) {
  const std::vector<MetricPoint> series =
      MetricStore(connection).series(checkpoints.front().run, metric);
  std::optional<double> lowest;
  CheckpointRow best = checkpoints.front();
  for (const CheckpointRow& checkpoint : checkpoints) {
    for (const MetricPoint& point : series) {
      if (point.step != checkpoint.step || !std::isfinite(point.value)) continue;
      if (lowest && point.value >= *lowest) continue;
      lowest = point.value;
      best = checkpoint;
    }
  }
  return best;
}

std::string parent_path(Core& core, Connection& connection, const RunRow& run) {
  RunStore runs(connection);
  const RunRow named = runs.need(*run.parent);
  const RunRow parent = runs.need(named.data_run());
  const std::vector<CheckpointRow> checkpoints = ArtifactStore(connection).checkpoints(parent.id);
  if (checkpoints.empty()) {
    throw Error(ErrorCode::invalid, fmt::format("the parent {} has no checkpoint to start from; "
                                                "retry it with from_scratch",
                                                named.name));
  }
  if (run.parent_checkpoint != "best") {
    return folder_of(core, parent, checkpoints.front()).string();
  }
  const std::string metric = json::parse(parent.config).value("checkpoint.best_by", "val/loss");
  return folder_of(core, parent, best_of(connection, checkpoints, metric)).string();
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
  json flat = with_absolute_paths(json::parse(run.config), json::parse(run.path_bases));
  const json protocol = core.language.resolve_protocol(flat);
  if (run.parent) flat["model.path"] = parent_path(core, connection, run);
  RunDocument document;
  json resume = json::array();
  for (const CheckpointRow& checkpoint : ArtifactStore(connection).checkpoints(run.id)) {
    resume.push_back({{"checkpoint", folder_of(core, run, checkpoint).string()},
                      {"step", checkpoint.step},
                      {"manifest_sha256", checkpoint.manifest_sha256}});
  }
  if (!resume.empty()) document.resume_step = resume.front()["step"];
  document.run_json = {{"run_id", run.uid},
                       {"name", run.name},
                       {"lease_epoch", run.lease_epoch},
                       {"seed", run.seed},
                       {"cache_dir", (core.options.home / "cache").string()},
                       {"protocol", protocol},
                       {"config", config::nest(flat)},
                       {"resume", resume}};
  return document;
}

}  // namespace sarsweep::coordinator
