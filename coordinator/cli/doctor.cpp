#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "coordinator/cli/commands.h"
#include "coordinator/cli/table.h"
#include "schema/base/subprocess.h"

namespace sarsweep::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr double kLittleSpace = 5e9;  // bytes: a warning
constexpr double kNoSpace = 1e9;      // a problem: no run is started (coordinator/core/readiness.h)
constexpr double kClockApart = 60;    // seconds
constexpr rlim_t kFewFiles = 1024;

// What was looked at, one line each; worst is what decides the exit code.
class Findings {
 public:
  void ok(const std::string& what, const std::string& message) { add(what, "ok", message, ""); }
  void warn(const std::string& what, const std::string& message, const std::string& cure) {
    add(what, "warning", message, cure);
  }
  void problem(const std::string& what, const std::string& message, const std::string& cure) {
    add(what, "problem", message, cure);
  }
  const json& all() const { return all_; }
  std::int64_t count(const std::string& verdict) const {
    return std::count_if(all_.begin(), all_.end(),
                         [&](const json& finding) { return finding["verdict"] == verdict; });
  }

 private:
  void add(const std::string& what, const std::string& verdict, const std::string& message,
           const std::string& cure) {
    all_.push_back({{"what", what}, {"verdict", verdict}, {"message", message}, {"cure", cure}});
  }
  json all_ = json::array();
};

void look_at_programs(Findings& findings) {
  std::vector<std::string> missing;
  for (const char* name : {"sarsweep-coordinator", "sarsweep-worker", "sarsweep-trainer"}) {
    if (::access((program_folder() / name).c_str(), X_OK) != 0) missing.emplace_back(name);
  }
  const std::string folder = program_folder().string();
  if (missing.empty()) return findings.ok("programs", "all four are in " + folder);
  findings.problem("programs", fmt::format("{} has no {}", folder, fmt::join(missing, ", ")),
                   "script/build");
}

void look_at_space(Findings& findings, const fs::path& folder) {
  std::error_code failed;
  const fs::space_info space = fs::space(folder, failed);
  if (failed) return;
  const auto left = static_cast<double>(space.available);
  const std::string message = fmt::format("{:.1f} GB free in {}", left / 1e9, folder.string());
  const char* cure = "free some: checkpoints and the cache lie there";
  if (left < kNoSpace) return findings.problem("disk", message, cure);
  if (left < kLittleSpace) return findings.warn("disk", message, cure);
  findings.ok("disk", message);
}

void look_at_home(Findings& findings, const fs::path& home) {
  if (!fs::is_directory(home)) {
    return findings.warn("home", fmt::format("there is no folder {}", home.string()),
                         "sarsweep up makes it; or name another with --home or SARSWEEP_HOME");
  }
  if (::access(home.c_str(), W_OK) != 0) {
    return findings.problem("home", fmt::format("{} cannot be written", home.string()),
                            "chown it, or name another with --home");
  }
  findings.ok("home", fs::absolute(home).string());
  look_at_space(findings, home);
  const fs::path token = home / "token";
  if (!fs::exists(token)) return;
  const bool open = (fs::status(token).permissions() &
                     (fs::perms::group_all | fs::perms::others_all)) != fs::perms::none;
  if (open) {
    findings.problem("token", token.string() + " can be read by others",
                     "chmod 600 " + token.string());
  }
}

void look_at_limits(Findings& findings) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < kFewFiles) {
    findings.warn("limits", fmt::format("a process may open {} files", files.rlim_cur),
                  "ulimit -n 4096");
  }
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/mpirun").c_str(), X_OK) == 0) return;
  }
  findings.warn("mpirun", "Open MPI's mpirun is not on the PATH",
                "install openmpi-bin; only runs with resources.gpus above 1 need it");
}

std::int64_t count_gpus() {
  std::error_code failed;
  const fs::directory_iterator gpus("/proc/driver/nvidia/gpus", failed);
  return failed ? 0 : std::distance(fs::begin(gpus), fs::end(gpus));
}

void look_at_workers(Findings& findings, Session& session) {
  const json workers = get_document(session, "/api/v1/workers");
  const json queue = get_document(session, "/api/v1/queue");
  std::int64_t live = 0, drained = 0, slots = 0, cuda = 0;
  for (const json& worker : workers) {
    if (worker.value("state", "") != "live") continue;
    ++live;
    drained += worker.value("drain", "none") == "none" ? 0 : 1;
    for (const json& slot : worker.value("slots", json::array())) {
      ++slots;
      cuda += slot.value("device", "").starts_with("cuda") ? 1 : 0;
    }
  }
  const std::string message = fmt::format("{} live with {} slots, {} of them GPUs; {} runs wait",
                                          live, slots, cuda, queue.size());
  if (live == 0 && !queue.empty()) {
    findings.problem("workers", message, "start one: sarsweep worker");
  } else if (live == 0) {
    findings.warn("workers", message, "start one: sarsweep worker");
  } else if (drained == live && !queue.empty()) {
    findings.warn("workers", message + "; every live worker is drained",
                  "sarsweep worker undrain --all");
  } else {
    findings.ok("workers", message);
  }
  const std::int64_t gpus = count_gpus();
  if (gpus > 0 && cuda == 0) {
    findings.warn("gpu", fmt::format("this machine has {} and no live worker offers one", gpus),
                  "script/build cuda, then start build/cuda/bin/sarsweep worker");
  }
}

void look_at_coordinator(Findings& findings, Session& session) {
  json info;
  try {
    info = get_document(session, "/api/v1/info");
  } catch (const Error& error) {
    const bool away = error.code() == ErrorCode::unreachable;
    const std::string cure = away ? "start one: sarsweep up"
                                  : "the token lies in the coordinator's home: name it with --home";
    return findings.problem("coordinator", error.what(), cure);
  }
  const std::string version = info.value("version", "?");
  findings.ok("coordinator", fmt::format("{} answers, version {}", session.api().url(), version));
  if (version != SARSWEEP_VERSION) {
    findings.warn("version",
                  fmt::format("this program is {}, the coordinator {}", SARSWEEP_VERSION, version),
                  "use the programs of one build");
  }
  const auto now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const double apart = now - info.value("now_ms", 0.0) / 1000;
  if (std::abs(apart) > kClockApart) {
    findings.warn(
        "clock",
        fmt::format("the coordinator's clock is {:.0f} s away from this one's", std::abs(apart)),
        "set both by NTP; runs do not depend on it, times on pages do");
  }
  look_at_workers(findings, session);
}

void print(Session& session, const Findings& findings) {
  for (const json& finding : findings.all()) {
    session.out() << fmt::format("{:<8} {:<12} {}\n", cell(finding, "verdict"),
                                 cell(finding, "what"), cell(finding, "message"));
    const std::string cure = finding["cure"];
    if (!cure.empty()) session.out() << fmt::format("{:<21} -> {}\n", "", cure);
  }
  session.err() << fmt::format("{} problems, {} warnings\n", findings.count("problem"),
                               findings.count("warning"));
}

}  // namespace

Exit doctor(Session& session) {
  Findings findings;
  look_at_programs(findings);
  look_at_home(findings, session.preferences().home);
  look_at_limits(findings);
  look_at_coordinator(findings, session);
  if (session.as_document()) {
    session.print_document(findings.all());
  } else {
    print(session, findings);
  }
  return findings.count("problem") == 0 ? Exit::ok : Exit::failed;
}

}  // namespace sarsweep::cli
