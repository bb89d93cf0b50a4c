#include "worker/slurm_job.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "schema/base/command.h"
#include "schema/base/error.h"
#include "schema/base/log.h"

namespace sarsweep::worker {
namespace {

using std::chrono::seconds;

constexpr seconds kSqueueLimit{30};
constexpr std::int64_t kMostDigits = 6;  // a part of a time; more would be no time of a job

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  if (!whole || value < 0) return std::nullopt;
  return value;
}

// "02:03:04" to its numbers; nullopt where one of them is none.
std::optional<std::vector<std::int64_t>> parts(std::string_view text) {
  std::vector<std::int64_t> found;
  for (;;) {
    const std::size_t end = std::min(text.find(':'), text.size());
    const auto part = number(text.substr(0, end));
    if (!part || end > static_cast<std::size_t>(kMostDigits)) return std::nullopt;
    found.push_back(*part);
    if (end == text.size()) return found;
    text.remove_prefix(end + 1);
  }
}

std::optional<seconds> ask_squeue(const std::string& job) {
  const std::filesystem::path squeue = find_program("squeue");
  if (squeue.empty()) return std::nullopt;
  const CommandOutcome said =
      run_command({squeue.string(), "--noheader", "--jobs=" + job, "--format=%L"}, kSqueueLimit);
  const auto left = parse_slurm_time(first_line(said.output));
  if (!said.succeeded()) {
    spdlog::warn("squeue does not say when job {} ends: {}", job,
                 printable(first_line(said.errors)));
  }
  return left;
}

}  // namespace

std::string slurm_job_id() { return environment("SLURM_JOB_ID"); }

std::optional<seconds> parse_slurm_time(const std::string& text) {
  std::string_view rest = text;
  std::int64_t days = 0;
  const std::size_t dash = rest.find('-');
  if (dash != std::string_view::npos) {
    const auto first = number(rest.substr(0, dash));
    if (!first || dash > static_cast<std::size_t>(kMostDigits)) return std::nullopt;
    days = *first;
    rest.remove_prefix(dash + 1);
  }
  const auto found = parts(rest);
  const std::size_t least = dash == std::string_view::npos ? 2 : 3;
  if (!found || found->size() < least || found->size() > 3) return std::nullopt;
  std::int64_t total = 0;
  for (const std::int64_t part : *found) total = total * 60 + part;
  return seconds(days * 86'400 + total);
}

std::optional<seconds> slurm_time_left(const Clock& clock) {
  const std::string job = slurm_job_id();
  if (job.empty()) return std::nullopt;
  if (const auto end = number(environment("SLURM_JOB_END_TIME"))) {
    return std::max(seconds(0), seconds(*end - clock.unix_ms() / 1000));
  }
  try {
    return ask_squeue(job);
  } catch (const Error& error) {
    spdlog::warn("squeue cannot be asked when job {} ends: {}", job, error.what());
    return std::nullopt;
  }
}

seconds usual_save_time(seconds left) {
  return std::min(std::clamp(left / 10, seconds(30), seconds(600)), left / 2);
}

}  // namespace sarsweep::worker
