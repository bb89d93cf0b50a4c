#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "worker/coordinator_api.h"
#include "worker/event_tail.h"

namespace sarsweep::worker {

// What came of sending.
enum class Shipped {
  all,     // the coordinator holds everything there was
  away,    // no answer, busy, or no space there: the same again later
  fenced,  // the run belongs to somebody else, or is gone
  refused  // answered, but not taken, and the same again will not help; see Shipper::refusal
};

// Sends one attempt's events, log and artifacts. The coordinator's offsets are the only
// bookkeeping: an append is accepted at exactly the byte that follows, so a lost reply, a repeat or
// a restart of either side cannot lose or double a line. Not thread-safe; confined to its HeldRun.
class Shipper {
 public:
  Shipper(CoordinatorApi& api, LeaseKey key, std::filesystem::path run_dir);

  // Sends what is new. Until::file_end: the trainer is gone, a last line without newline counts in
  // the log (in the events it is void).
  Shipped ship(Until until);

  // Sends the end and, while the coordinator misses something, that. `reply` is set for
  // Shipped::all.
  Shipped finish(FinishRequest request, FinishReply& reply);

  // Reads the events written since, without sending: what the trainer said of its end counts at
  // once.
  void look() { events_.update(); }
  const EventTail& events() const { return events_; }
  const std::string& refusal() const { return refusal_; }

 private:
  struct Stream {
    std::filesystem::path file;
    std::int64_t stored = 0;  // as the coordinator last said
    bool refused = false;
  };
  using Append = ApiResult<Appended> (CoordinatorApi::*)(const LeaseKey&, std::int64_t,
                                                         std::string_view);

  Shipped ship_stream(Stream& stream, Append append, Until until);
  Shipped ship_artifacts();
  Shipped put_missing(const std::vector<std::string>& missing);
  Shipped outcome_of(const ApiFailure& failure);

  CoordinatorApi& api_;
  LeaseKey key_;
  EventTail events_;
  Stream event_stream_;
  Stream log_stream_;
  std::size_t artifacts_asked_ = 0;
  std::string refusal_;
};

}  // namespace sarsweep::worker
