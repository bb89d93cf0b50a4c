#include "worker/shipper.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "schema/base/log.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::worker {
namespace {

constexpr std::size_t kPieceBytes = 512U << 10U;
constexpr std::size_t kArtifactsAtOnce = 500;
constexpr int kFinishRounds = 5;

Shipped worse(Shipped a, Shipped b) {
  for (const Shipped outcome : {Shipped::fenced, Shipped::away, Shipped::refused}) {
    if (a == outcome || b == outcome) return outcome;
  }
  return Shipped::all;
}

}  // namespace

Shipper::Shipper(CoordinatorApi& api, LeaseKey key, std::filesystem::path run_dir)
    : api_(api),
      key_(std::move(key)),
      events_(run_dir),
      event_stream_{run_dir / run_dir::kEvents},
      log_stream_{run_dir / run_dir::kLog} {}

Shipped Shipper::ship(Until until) {
  // Artifacts first: an event that names a picture should find it there.
  const Shipped artifacts = ship_artifacts();
  if (artifacts == Shipped::away || artifacts == Shipped::fenced) return artifacts;
  const Shipped events =
      ship_stream(event_stream_, &CoordinatorApi::append_events, Until::line_end);
  if (events == Shipped::away || events == Shipped::fenced) return events;
  return worse(worse(artifacts, events),
               ship_stream(log_stream_, &CoordinatorApi::append_log, until));
}

Shipped Shipper::ship_stream(Stream& stream, Append append, Until until) {
  while (!stream.refused) {
    const std::string bytes = read_from(stream.file, stream.stored, kPieceBytes, until);
    if (bytes.empty()) return Shipped::all;
    const ApiResult<Appended> answer = (api_.*append)(key_, stream.stored, bytes);
    if (!answer) {
      const Shipped outcome = outcome_of(answer.error());
      stream.refused = outcome == Shipped::refused;
      return outcome;
    }
    if (!answer->accepted && answer->stored == stream.stored) {
      refusal_ =
          "the coordinator refuses " + stream.file.filename().string() + " at its own offset";
      stream.refused = true;
      return Shipped::refused;
    }
    stream.stored = answer->stored;
  }
  return Shipped::refused;
}

Shipped Shipper::ship_artifacts() {
  events_.update();
  const std::vector<Artifact>& all = events_.artifacts();
  while (artifacts_asked_ < all.size()) {
    const std::size_t count = std::min(kArtifactsAtOnce, all.size() - artifacts_asked_);
    std::vector<std::string> digests;
    for (std::size_t i = 0; i < count; ++i) digests.push_back(all[artifacts_asked_ + i].sha256);
    const auto missing = api_.missing_artifacts(key_, digests);
    if (!missing) return outcome_of(missing.error());
    const Shipped outcome = put_missing(*missing);
    if (outcome != Shipped::all) return outcome;
    artifacts_asked_ += count;
  }
  return Shipped::all;
}

Shipped Shipper::put_missing(const std::vector<std::string>& missing) {
  for (const Artifact& artifact : events_.artifacts()) {
    if (std::find(missing.begin(), missing.end(), artifact.sha256) == missing.end()) continue;
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(artifact.file, ignored)) {
      spdlog::error("run {} e{}: {} is named by an event but not there", key_.run_id,
                    key_.lease_epoch, artifact.file.string());
      continue;
    }
    const auto answer = api_.put_artifact(key_, artifact.sha256, artifact.file);
    if (answer) continue;
    const Shipped outcome = outcome_of(answer.error());
    // The finish barrier decides about a file that cannot be sent; the others go on.
    if (outcome != Shipped::refused) return outcome;
  }
  return Shipped::all;
}

Shipped Shipper::finish(FinishRequest request, FinishReply& reply) {
  for (int round = 0; round < kFinishRounds; ++round) {
    const Shipped sent = ship(Until::file_end);
    if (sent == Shipped::away || sent == Shipped::fenced) return sent;
    request.event_bytes = event_stream_.refused ? event_stream_.stored
                                                : stream_size(event_stream_.file, Until::line_end);
    request.log_bytes =
        log_stream_.refused ? log_stream_.stored : stream_size(log_stream_.file, Until::file_end);
    if (event_stream_.refused && request.exit_code == 0) request.exit_code = 1;
    if (event_stream_.refused) request.reason = refusal_;
    const ApiResult<FinishAnswer> answer = api_.finish(request);
    if (!answer) return outcome_of(answer.error());
    if (answer->accepted) {
      reply.state = answer->state;
      return Shipped::all;
    }
    // Another process's view of what is stored may lag behind ours: ask it again from the start.
    event_stream_.stored = event_stream_.refused ? event_stream_.stored : 0;
    log_stream_.stored = log_stream_.refused ? log_stream_.stored : 0;
    const Shipped put = put_missing(answer->missing_artifacts);
    if (put != Shipped::all) return put;
  }
  refusal_ = refusal_.empty() ? "the coordinator still misses something after every byte was sent"
                              : refusal_;
  return Shipped::refused;
}

Shipped Shipper::outcome_of(const ApiFailure& failure) {
  if (failure.code == ErrorCode::no_space) {
    spdlog::warn("run {} e{}: {}; it is sent again later", key_.run_id, key_.lease_epoch,
                 printable(failure.message));
  }
  switch (failure.code) {
    case ErrorCode::fenced:
    case ErrorCode::not_found: return Shipped::fenced;
    case ErrorCode::unreachable:
    case ErrorCode::busy:
    case ErrorCode::no_space:
    case ErrorCode::internal:
    case ErrorCode::unauthorized:
    case ErrorCode::forbidden: return Shipped::away;
    case ErrorCode::invalid:
    case ErrorCode::conflict:
    case ErrorCode::too_large: break;
  }
  refusal_ = printable(failure.message);
  spdlog::error("run {} e{}: {}", key_.run_id, key_.lease_epoch, refusal_);
  return Shipped::refused;
}

}  // namespace sarsweep::worker
