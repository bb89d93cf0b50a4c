#include "trainer/core/run/event_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <string>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

[[noreturn]] void fail(const char* action, const std::filesystem::path& file) {
  throw Error(ErrorCode::internal,
              std::string(action) + " " + file.string() + ": " + std::strerror(errno));
}

json printable_numbers(const json& value) {
  if (value.is_number_float()) {
    const double number = value.get<double>();
    if (std::isnan(number)) return "nan";
    if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
    return value;
  }
  if (!value.is_structured()) return value;
  json copy = value.is_array() ? json::array() : json::object();
  for (const auto& [key, element] : value.items()) {
    if (value.is_array()) {
      copy.push_back(printable_numbers(element));
    } else {
      copy[key] = printable_numbers(element);
    }
  }
  return copy;
}

void cut_torn_tail(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return;
  const std::string text = read_file(file);
  const std::size_t last = text.rfind('\n');
  const std::size_t whole = last == std::string::npos ? 0 : last + 1;
  if (whole != text.size()) std::filesystem::resize_file(file, whole);
}

}  // namespace

EventLog::EventLog(const std::filesystem::path& file, const Clock& clock)
    : file_(file), clock_(clock) {
  if (file.empty()) return;
  cut_torn_tail(file);
  fd_ = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) fail("cannot open", file);
}

// What comes after half a line would be lost with it. If even this fails, the next opening cuts.
void EventLog::cut_off(long bytes) {
  const off_t end = ::lseek(fd_, 0, SEEK_END);
  if (end >= bytes && ::ftruncate(fd_, end - bytes) != 0) return;
}

EventLog::~EventLog() {
  if (fd_ >= 0) ::close(fd_);
}

void EventLog::write(std::string_view type, const json& fields) {
  if (fd_ < 0) return;
  json event = printable_numbers(fields);
  event["t"] = clock_.unix_ms();
  event["type"] = type;
  const std::string line = event.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  ssize_t written = -1;
  do {
    written = ::write(fd_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) fail("cannot write to", file_);
  if (static_cast<std::size_t>(written) != line.size()) {
    cut_off(written);
    throw Error(ErrorCode::internal, "the disk took only " + std::to_string(written) + " of " +
                                         std::to_string(line.size()) + " bytes of a line of " +
                                         file_.string() + "; free some space");
  }
}

}  // namespace sarsweep::trainer
