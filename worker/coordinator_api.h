#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include "schema/base/error.h"
#include "schema/protocol/messages.h"

namespace sarsweep::worker {

// A request that did not end well. `unreachable` and `busy` say nothing about the run: the request
// may or may not have been carried out, and is repeated as it is. `fenced` is final for its run.
struct ApiFailure {
  ErrorCode code = ErrorCode::internal;
  std::string message;
};
template <typename T>
using ApiResult = tl::expected<T, ApiFailure>;
struct Nothing {};

// Where a stream stands at the coordinator after an append, accepted or not.
struct Appended {
  bool accepted = false;
  std::int64_t stored = 0;
};

// The answer to a finish: the run's new state, or what is not stored yet.
struct FinishAnswer {
  bool accepted = false;
  RunState state = RunState::queued;
  std::vector<std::string> missing_artifacts;
};

// The coordinator as a worker sees it. Every call may block for the client's timeout; all may be
// called from several threads at once.
class CoordinatorApi {
 public:
  virtual ~CoordinatorApi() = default;
  virtual ApiResult<RegisterReply> register_worker(const RegisterRequest& request) = 0;
  virtual ApiResult<LeaseReply> lease(const LeaseRequest& request) = 0;
  virtual ApiResult<HeartbeatReply> heartbeat(const HeartbeatRequest& request) = 0;
  virtual ApiResult<Nothing> started(const LeaseKey& key) = 0;
  virtual ApiResult<FinishAnswer> finish(const FinishRequest& request) = 0;
  virtual ApiResult<Nothing> leave(const std::string& worker_id,
                                   const std::string& incarnation) = 0;

  virtual ApiResult<Appended> append_events(const LeaseKey& key, std::int64_t offset,
                                            std::string_view lines) = 0;
  virtual ApiResult<Appended> append_log(const LeaseKey& key, std::int64_t offset,
                                         std::string_view bytes) = 0;
  virtual ApiResult<std::vector<std::string>> missing_artifacts(
      const LeaseKey& key, const std::vector<std::string>& sha256) = 0;
  virtual ApiResult<Nothing> put_artifact(const LeaseKey& key, const std::string& sha256,
                                          const std::filesystem::path& file) = 0;
};

}  // namespace sarsweep::worker
