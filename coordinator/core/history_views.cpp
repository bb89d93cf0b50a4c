#include "coordinator/core/history_views.h"

#include <algorithm>

#include "coordinator/core/run_views.h"
#include "coordinator/store/attempt_store.h"
#include "coordinator/store/event_store.h"
#include "coordinator/store/metric_store.h"
#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

constexpr std::int64_t kLogLimit = 1 << 20;
constexpr std::int64_t kEventLimit = 1000;
constexpr JsonLimits kResultLimits{.depth = 64, .values = 5'000'000};

RunRow data_of(Connection& connection, const RunRow& run) {
  RunStore runs(connection);
  const RunRow life = run.alias_of ? runs.need(*run.alias_of) : run;
  return life.source_run ? runs.need(*life.source_run) : life;
}

std::vector<MetricPoint> thinned(std::vector<MetricPoint> points, std::int64_t max_points) {
  const auto n = static_cast<std::int64_t>(points.size());
  if (max_points < 2 || n <= max_points) return points;
  std::vector<MetricPoint> kept;
  for (std::int64_t i = 0; i < max_points; ++i) {
    kept.push_back(points[static_cast<std::size_t>(i * (n - 1) / (max_points - 1))]);
  }
  return kept;
}

// The text with bytes that are no UTF-8 replaced, so that it can stand in a JSON document.
json text_json(const std::string& bytes) {
  return json::parse(json(bytes).dump(-1, ' ', false, json::error_handler_t::replace));
}

// Ends before a character that the next page would have to complete.
void trim_partial_character(std::string& bytes) {
  std::size_t tail = 0;
  while (tail < 3 && tail < bytes.size() &&
         (static_cast<unsigned char>(bytes[bytes.size() - 1 - tail]) & 0xC0U) == 0x80U) {
    ++tail;
  }
  if (tail >= bytes.size()) return;
  const auto lead = static_cast<unsigned char>(bytes[bytes.size() - 1 - tail]);
  const std::size_t wanted = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
  if (wanted > tail && bytes.size() > tail + 1) bytes.resize(bytes.size() - 1 - tail);
}

}  // namespace

json metrics_view(Connection& connection, const RunRow& run, const SeriesQuery& query) {
  const RunRow data = data_of(connection, run);
  MetricStore metrics(connection);
  json out = json::object();
  for (const std::string& key : query.keys.empty() ? metrics.keys(data.id) : query.keys) {
    std::vector<MetricPoint> points =
        query.all_attempts ? metrics.points(data.id, key) : metrics.series(data.id, key);
    out[key] = json::array();
    for (const MetricPoint& point : thinned(std::move(points), query.max_points)) {
      out[key].push_back({point.step, number_json(point.value), point.attempt});
    }
  }
  return out;
}

json log_view(const Core& core, Connection& connection, const RunRow& run, const LogQuery& query) {
  const RunRow data = data_of(connection, run);
  const std::int64_t epoch = query.attempt.value_or(data.lease_epoch);
  const auto attempt = AttemptStore(connection).find(data.id, epoch);
  if (!attempt) {
    if (query.attempt) {
      throw Error(ErrorCode::not_found, run.name + " has no attempt " + std::to_string(epoch),
                  "attempt");
    }
    return {{"attempt", 0}, {"offset", 0}, {"next", 0}, {"size", 0}, {"text", ""}};
  }
  const std::int64_t size = attempt->log_bytes;
  const std::int64_t start =
      std::clamp<std::int64_t>(query.offset < 0 ? size + query.offset : query.offset, 0, size);
  const std::int64_t length =
      std::min(std::clamp<std::int64_t>(query.limit, 0, kLogLimit), size - start);
  std::string bytes = core.objects.read_log(core.objects.log(data.uid, epoch), start, length);
  if (start + length < size) trim_partial_character(bytes);
  return {{"attempt", epoch},
          {"offset", start},
          {"next", start + static_cast<std::int64_t>(bytes.size())},
          {"size", size},
          {"text", text_json(bytes)}};
}

json samples_view(Connection& connection, const RunRow& run) {
  json out = json::array();
  for (const SampleRow& sample : ArtifactStore(connection).samples(data_of(connection, run).id)) {
    out.push_back({{"attempt", sample.epoch},
                   {"step", sample.step},
                   {"index", sample.position},
                   {"file", sample.file},
                   {"prompt", sample.prompt},
                   {"seed", sample.seed},
                   {"bytes", sample.bytes},
                   {"sha256", sample.sha256}});
  }
  return out;
}

json events_view(Connection& connection, const RunRow& run, std::int64_t after) {
  json out = json::array();
  const std::int64_t life = run.alias_of.value_or(run.id);
  for (const EventRow& event : EventStore(connection).of_run(life, after, kEventLimit)) {
    out.push_back({{"seq", event.seq},
                   {"t_ms", event.t_ms},
                   {"actor", event.actor},
                   {"what", event.what},
                   {"detail", event.detail}});
  }
  return out;
}

std::optional<EvaluationRow> newest_evaluation(Connection& connection, std::int64_t run) {
  for (EvaluationRow& result : ArtifactStore(connection).evaluations(run)) {
    if (result.file.starts_with("eval/")) return std::move(result);
  }
  return std::nullopt;
}

json read_evaluation(const ObjectStore& objects, const std::string& sha256) {
  return parse_json(read_file(objects.object(sha256)), "result " + sha256, kResultLimits);
}

json evaluation_view(const Core& core, Connection& connection, const RunRow& run) {
  const auto results = ArtifactStore(connection).evaluations(data_of(connection, run).id);
  for (const EvaluationRow& result : results) {
    if (!core.objects.has(result.sha256)) continue;  // Still on its way.
    return parse_json(read_file(core.objects.object(result.sha256)), result.file, kResultLimits);
  }
  throw Error(ErrorCode::not_found, run.name + " has no evaluation yet");
}

}  // namespace sarsweep::coordinator
