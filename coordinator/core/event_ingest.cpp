#include "coordinator/core/event_ingest.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "coordinator/core/retention.h"
#include "coordinator/store/artifact_store.h"
#include "coordinator/store/checkpoint_store.h"
#include "coordinator/store/event_store.h"
#include "coordinator/store/hold_store.h"
#include "coordinator/store/metric_store.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::coordinator {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxDetail = 2000;

// Lives no longer than the savepoint its lines are in.
struct Ingest {
  Core& core;
  Connection& connection;
  Holding& holding;
  MetricStore metrics = MetricStore(connection);
  bool hours_counted = false;
  std::int64_t run() const { return holding.run.id; }
  std::int64_t epoch() const { return holding.attempt.epoch; }
};

double number_of(const json& value) {
  if (value.is_number()) return value.get<double>();
  if (value == "inf") return std::numeric_limits<double>::infinity();
  if (value == "-inf") return -std::numeric_limits<double>::infinity();
  if (value == "nan" || value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  throw Error(ErrorCode::invalid,
              "a metric is neither a number nor nan, inf, -inf: " + value.dump());
}

std::int64_t whole(const json& event, const char* key, std::int64_t low = 0,
                   std::int64_t high = std::numeric_limits<std::int64_t>::max()) {
  const auto number = whole_number(event.at(key));
  if (number && *number >= low && *number <= high) return *number;
  throw Error(ErrorCode::invalid,
              std::string(key) + " must be a whole number from " + std::to_string(low));
}

std::int64_t bytes_of(const json& event) {
  return event.contains("bytes") ? whole(event, "bytes") : 0;
}

std::int64_t seed_of(const json& event) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  return event.contains("seed") ? whole(event, "seed", kLeast) : 0;
}

// Events name files beneath the attempt's folder only.
std::string inner_path(const json& event, const char* key) {
  const std::string text = event.at(key);
  const std::filesystem::path path(text);
  bool climbs = text.empty() || path.is_absolute();
  for (const auto& part : path) climbs = climbs || part == "..";
  if (climbs) throw Error(ErrorCode::invalid, "'" + text + "' does not stay in the run directory");
  return text;
}

std::string digest(Ingest& to, const json& event) {
  const std::string sha256 = event.at("sha256");
  static_cast<void>(to.core.objects.object(sha256));  // Throws if it is no digest.
  return sha256;
}

void note(Ingest& to, const std::string& what, std::string detail) {
  if (detail.size() > kMaxDetail) detail.resize(kMaxDetail);
  EventStore(to.connection).add({to.run(), to.core.now_ms(), "trainer", what, std::move(detail)});
}

void on_metrics(Ingest& to, const json& event) {
  const std::int64_t step = whole(event, "step");
  for (const auto& [key, value] : event.at("values").items()) {
    to.metrics.put(to.run(), key, {step, number_of(value), to.epoch()});
    to.hours_counted = to.hours_counted || key == "train/gpu_hours";
  }
}

// The newer one is stored with the loss of the older: no instant is without.
void on_checkpoint(Ingest& to, const json& event) {
  CheckpointStore(to.connection)
      .put({to.run(), to.epoch(), whole(event, "step"), inner_path(event, "path"),
            event.at("manifest_sha256"), bytes_of(event)});
  retire_checkpoints(to.connection, to.holding.run);
}

void on_sample(Ingest& to, const json& event) {
  ArtifactStore(to.connection)
      .put(SampleRow{to.run(), to.epoch(), whole(event, "step"), 0, inner_path(event, "file"),
                     event.value("prompt", ""), seed_of(event), bytes_of(event),
                     digest(to, event)});
}

void on_eval(Ingest& to, const json& event) {
  ArtifactStore(to.connection)
      .put(EvaluationRow{to.run(), to.epoch(), whole(event, "step"), event.at("protocol_hash"),
                         inner_path(event, "file"), bytes_of(event), digest(to, event)});
}

void on_digests(Ingest& to, const json& event) {
  json digests = event;
  digests.erase("t");
  digests.erase("type");
  RunStore(to.connection).set_digests(to.run(), digests.dump());
}

void on_progress(Ingest& to, const json& event) {
  std::optional<std::int64_t> total;
  if (event.contains("total_steps")) total = whole(event, "total_steps");
  RunStore(to.connection).set_progress(to.run(), whole(event, "step"), total);
}

void on_stage(Ingest& to, const json& event) {
  RunStore(to.connection).set_stage(to.run(), event.at("name"));
}

void on_warning(Ingest& to, const json& event) { note(to, "warning", event.at("message")); }

void on_error(Ingest& to, const json& event) {
  note(to, "error", event.value("code", "error") + ": " + event.at("message").get<std::string>());
}

void on_end(Ingest& to, const json& event) {
  const auto code = static_cast<int>(whole(event, "exit_code", 0, 255));
  std::optional<std::int64_t> micro_batch;
  if (event.contains("micro_batch")) micro_batch = whole(event, "micro_batch", 1);
  AttemptStore(to.connection).record_end_event(to.holding.attempt, code, micro_batch);
  to.holding.attempt.end_exit_code = code;
  to.holding.attempt.end_micro_batch = micro_batch;
}

void ingest_line(Ingest& to, std::string_view line) {
  using Sink = void (*)(Ingest&, const json&);
  static const std::map<std::string, Sink> kSinks = {
      {"metrics", on_metrics}, {"checkpoint", on_checkpoint}, {"sample", on_sample},
      {"eval", on_eval},       {"digests", on_digests},       {"progress", on_progress},
      {"stage", on_stage},     {"warning", on_warning},       {"error", on_error},
      {"end", on_end}};
  const json event = parse_json(line, "event");
  const auto sink = kSinks.find(event.at("type").get<std::string>());
  if (sink != kSinks.end()) sink->second(to, event);  // Later trainers may say more.
}

// What is wrong with the line itself, not with the disk or with us.
bool is_of_the_line(ErrorCode code) {
  return code != ErrorCode::internal && code != ErrorCode::no_space && code != ErrorCode::busy;
}

// What the sweep's limit looks at, once for all lines.
void take_hours(Ingest& to) {
  if (to.hours_counted) HoldStore(to.connection).take_hours(to.holding.run.sweep, to.run());
}

// Runs `ingest` inside a savepoint, which a fault undoes; returns the fault, or nothing.
template <typename F>
std::string fault_of(Connection& connection, const F& ingest) {
  std::string fault;
  connection.script("SAVEPOINT lines");
  try {
    ingest();
  } catch (const json::exception& error) {
    fault = error.what();
  } catch (const Error& error) {
    if (!is_of_the_line(error.code())) throw;
    fault = error.what();
  }
  if (!fault.empty()) connection.script("ROLLBACK TO lines");
  connection.script("RELEASE lines");
  return fault;
}

template <typename F>
void each_line(std::string_view lines, const F& visit) {
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    if (end > 0) visit(lines.substr(0, end));
    lines.remove_prefix(end + 1);
  }
}

}  // namespace

void ingest_events(Core& core, Connection& connection, Holding& holding, std::string_view lines) {
  if (!lines.empty() && lines.back() != '\n') {
    throw Error(ErrorCode::invalid,
                "events come in complete lines; the last byte must be a newline");
  }
  const std::string fault = fault_of(connection, [&] {
    Ingest to{core, connection, holding};
    each_line(lines, [&](std::string_view line) { ingest_line(to, line); });
    take_hours(to);
  });
  if (fault.empty()) return;
  // One of them is no event: each is read again alone, so that it takes none of the others' points
  // with it and leaves none of its own.
  each_line(lines, [&](std::string_view line) {
    Ingest to{core, connection, holding};
    const std::string why = fault_of(connection, [&] {
      ingest_line(to, line);
      take_hours(to);
    });
    if (!why.empty()) note(to, "warning", "an event could not be read: " + why);
  });
}

}  // namespace sarsweep::coordinator
