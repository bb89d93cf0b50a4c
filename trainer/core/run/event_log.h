#pragma once

#include <filesystem>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "schema/base/clock.h"

namespace sarsweep::trainer {

// The writer of events.jsonl (types and fields: schema/protocol/run_dir.h). A line is one write(2)
// on an O_APPEND descriptor, so a kill leaves whole lines and at most one torn tail, which readers
// skip and the next opening cuts off; what a full disk tears is cut off at once. Confined to one
// thread.
class EventLog {
 public:
  // An empty `file`: nothing is ever written. Throws Error(internal) if the file cannot be opened
  // for appending.
  explicit EventLog(const std::filesystem::path& file, const Clock& clock = system_clock());
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // Appends {"t": now, "type": type, …fields}. Non-finite numbers anywhere inside become "nan",
  // "inf" or "-inf". Throws Error(internal) where the line could not be written whole.
  void write(std::string_view type, const nlohmann::json& fields);

 private:
  void cut_off(long bytes);

  std::filesystem::path file_;
  const Clock& clock_;
  int fd_ = -1;
};

}  // namespace sarsweep::trainer
