#include "worker/event_tail.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "schema/base/log.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPiece = 1U << 20U;
constexpr std::size_t kLongestLine = 8U << 20U;  // What the data listener takes in one request.

std::string read_bytes(const fs::path& file, std::int64_t offset, std::size_t limit) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return {};
  in.seekg(offset);
  std::string bytes(limit, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(limit));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return bytes;
}

}  // namespace

std::string read_from(const fs::path& file, std::int64_t offset, std::size_t limit, Until until) {
  for (;;) {
    std::string bytes = read_bytes(file, offset, limit);
    const std::size_t newline = bytes.rfind('\n');
    if (newline != std::string::npos) {
      if (until == Until::line_end || bytes.size() == limit) bytes.resize(newline + 1);
      return bytes;
    }
    if (until == Until::file_end) return bytes;
    if (bytes.size() < limit) return {};
    if (limit >= kLongestLine) return bytes;  // No line is that long: let the coordinator say so.
    limit = std::min(limit * 2, kLongestLine);
  }
}

std::int64_t stream_size(const fs::path& file, Until until) {
  std::error_code absent;
  const auto whole = fs::file_size(file, absent);
  if (absent) return 0;
  auto size = static_cast<std::int64_t>(whole);
  while (until == Until::line_end && size > 0) {
    const std::int64_t from = std::max<std::int64_t>(0, size - static_cast<std::int64_t>(kPiece));
    const std::string tail = read_bytes(file, from, static_cast<std::size_t>(size - from));
    const std::size_t newline = tail.rfind('\n');
    if (newline != std::string::npos) return from + static_cast<std::int64_t>(newline) + 1;
    size = from;
  }
  return size;
}

EventTail::EventTail(fs::path run_dir) : run_dir_(std::move(run_dir)) {}

void EventTail::update() {
  for (;;) {
    const std::string lines =
        read_from(run_dir_ / run_dir::kEvents, offset_, kPiece, Until::line_end);
    if (lines.empty()) return;
    for (std::size_t at = 0; at < lines.size();) {
      const std::size_t newline = lines.find('\n', at);
      if (newline == std::string::npos) break;
      take(lines.substr(at, newline - at));
      at = newline + 1;
    }
    offset_ += static_cast<std::int64_t>(lines.size());
  }
}

void EventTail::take(const std::string& line) {
  try {
    const nlohmann::json event = parse_json(line, "event");
    const std::string type = event.at("type");
    if (type == "sample" || type == "eval") take_artifact(event.at("sha256"), event.at("file"));
    if (type == "end") end_ = EndEvent{event.at("exit_code"), event.value("reason", "")};
  } catch (const Error& error) {
    spdlog::warn("{}: {}", (run_dir_ / run_dir::kEvents).string(), error.what());
  } catch (const nlohmann::json::exception& error) {
    spdlog::warn("{}: an event lacks something: {}", (run_dir_ / run_dir::kEvents).string(),
                 printable(error.what()));
  }
}

void EventTail::take_artifact(const std::string& sha256, const std::string& file) {
  const fs::path relative = fs::path(file).lexically_normal();
  if (relative.is_absolute() || relative.empty() || *relative.begin() == "..") {
    spdlog::warn("an event of {} names '{}', outside its run directory", run_dir_.string(),
                 printable(file));
    return;
  }
  const bool known =
      std::any_of(artifacts_.begin(), artifacts_.end(),
                  [&](const Artifact& artifact) { return artifact.sha256 == sha256; });
  if (!known) artifacts_.push_back({sha256, run_dir_ / relative});
}

}  // namespace sarsweep::worker
