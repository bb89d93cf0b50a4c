#include "worker/process_table.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "schema/base/error.h"
#include "worker/wakeup.h"

namespace sarsweep::worker {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kKillRound{20};

std::string read_all(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

bool carries(pid_t pid, const std::string& marker) {
  const std::string environment = read_all("/proc/" + std::to_string(pid) + "/environ");
  for (std::size_t at = environment.find(marker); at != std::string::npos;
       at = environment.find(marker, at + 1)) {
    const bool starts = at == 0 || environment[at - 1] == '\0';
    const std::size_t end = at + marker.size();
    if (starts && (end == environment.size() || environment[end] == '\0')) return true;
  }
  return false;
}

// True while the session's number still means the trainer's session: nobody leads it, or its leader
// is the one that was recorded.
bool owns_session(const ProcessIdentity& leader) {
  const auto facts = process_facts(leader.pid);
  return leader.boot_id == boot_id() && (!facts || facts->starttime == leader.starttime);
}

}  // namespace

std::optional<ProcessFacts> process_facts(pid_t pid) {
  const std::string stat = read_all("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat.rfind(')');  // The name may hold anything, ") R 1" included.
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat.substr(name_end + 1));
  ProcessFacts facts;
  pid_t parent = 0;
  pid_t group = 0;
  fields >> facts.state >> parent >> group >> facts.session;
  std::string skipped;
  for (int field = 7; field < 22; ++field) fields >> skipped;
  fields >> facts.starttime;
  if (!fields) return std::nullopt;
  return facts;
}

std::string boot_id() {
  std::string id = read_all("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

ProcessIdentity identify(pid_t pid) {
  const auto facts = process_facts(pid);
  if (!facts) throw Error(ErrorCode::not_found, "no process " + std::to_string(pid));
  return {pid, facts->starttime, boot_id()};
}

std::chrono::milliseconds age_of(const ProcessIdentity& identity) {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  const auto ticks = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  const auto up_ms = static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
  const auto born_ms = static_cast<std::int64_t>(identity.starttime * 1000 / ticks);
  return std::chrono::milliseconds(std::max<std::int64_t>(up_ms - born_ms, 0));
}

bool is_alive(const ProcessIdentity& identity) {
  const auto facts = process_facts(identity.pid);
  return facts && facts->state != 'Z' && facts->state != 'X' &&
         facts->starttime == identity.starttime && identity.boot_id == boot_id();
}

std::vector<pid_t> attempt_processes(const AttemptRecord& record) {
  const bool by_session = record.process && owns_session(*record.process);
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    const auto facts = process_facts(pid);
    if (!facts || facts->state == 'Z' || facts->state == 'X' || pid == getpid()) continue;
    const bool in_session = by_session && facts->session == record.process->pid &&
                            facts->starttime >= record.process->starttime;
    if (in_session || carries(pid, record.marker)) found.push_back(pid);
  }
  return found;
}

bool kill_attempt(const AttemptRecord& record, std::chrono::milliseconds patience) {
  const auto deadline = steady_clock::now() + patience;
  Wakeup pause;
  for (;;) {
    const std::vector<pid_t> left = attempt_processes(record);
    if (left.empty()) return true;
    for (const pid_t pid : left) kill(pid, SIGKILL);
    if (steady_clock::now() >= deadline) return false;
    pause.wait_for({}, kKillRound);
  }
}

}  // namespace sarsweep::worker
