#include "coordinator/http/identity.h"

#include <sys/stat.h>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
constexpr auto kCodeLife = minutes(15);
constexpr auto kSessionLife = hours(12);
constexpr int kFailuresPerMinute = 10;
constexpr std::size_t kMostSessions = 1000;

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

void refuse_readable_by_others(const std::filesystem::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    throw Error(ErrorCode::invalid,
                file.string() + " can be read by others; run: chmod 600 " + file.string());
  }
}

template <typename Map, typename Expired>
void drop_expired(Map& map, const Expired& expired) {
  for (auto it = map.begin(); it != map.end();) it = expired(it->second) ? map.erase(it) : ++it;
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::nobody: return "nobody";
    case Role::viewer: return "viewer";
    case Role::submitter: return "submitter";
    case Role::admin: return "admin";
    case Role::worker: return "worker";
  }
  return "nobody";
}

bool may(Role have, Role need) {
  if (need == Role::nobody) return true;
  if (have == Role::worker || need == Role::worker) return have == need;
  return static_cast<int>(have) >= static_cast<int>(need);
}

Identity::Identity(const std::filesystem::path& home, const Clock& clock)
    : clock_(clock), token_file_(home / "token"), worker_token_file_(home / "worker-token") {
  load(token_file_, "sar", Role::admin);
  load(worker_token_file_, "saw", Role::worker);
}

void Identity::load(const std::filesystem::path& file, const std::string& prefix, Role role) {
  if (!std::filesystem::exists(file)) {
    const std::string token = prefix + "_" + random_hex(4) + "." + random_hex(32);
    write_file_atomically(file, token + "\n", FileMode::secret);
  }
  refuse_readable_by_others(file);
  const std::string token = trimmed(read_file(file));
  const auto dot = token.find('.');
  if (dot == std::string::npos || token.size() < dot + 33) {
    throw Error(ErrorCode::invalid, file.string() + " holds no token; delete it and start again");
  }
  tokens_[token.substr(0, dot)] = {sha256(token.substr(dot + 1)), role};
}

Principal Identity::from_bearer(const std::string& token) const {
  const auto dot = token.find('.');
  if (dot == std::string::npos) return {};
  const auto known = tokens_.find(token.substr(0, dot));
  if (known == tokens_.end()) return {};
  if (!equal_secrets(sha256(token.substr(dot + 1)), known->second.secret_sha256)) return {};
  return {known->second.role, std::string(to_string(known->second.role)), std::nullopt};
}

Principal Identity::from_cookie(const std::string& cookie) const {
  const auto now = clock_.steady();
  return sessions_.with([&](const auto& sessions) -> Principal {
    const auto live = sessions.find(sha256(cookie));
    if (live == sessions.end() || live->second.until < now) return {};
    return {Role::admin, "session", live->second.csrf};
  });
}

std::string Identity::new_login_code() {
  const std::string code = random_hex(16);
  const auto now = clock_.steady();
  codes_.with([&](auto& codes) {
    drop_expired(codes, [&](Clock::TimePoint until) { return until < now; });
    codes[sha256(code)] = now + kCodeLife;
  });
  return code;
}

std::optional<Session> Identity::redeem(const std::string& code) {
  const auto now = clock_.steady();
  const bool good = codes_.with([&](auto& codes) {
    const auto found = codes.find(sha256(code));
    if (found == codes.end()) return false;
    const bool fresh = found->second >= now;
    codes.erase(found);
    return fresh;
  });
  if (!good) return std::nullopt;
  Session session{random_hex(32), random_hex(16)};
  sessions_.with([&](auto& sessions) {
    drop_expired(sessions, [&](const Live& live) { return live.until < now; });
    if (sessions.size() >= kMostSessions) sessions.erase(sessions.begin());
    sessions[sha256(session.cookie)] = {session.csrf, now + kSessionLife};
  });
  return session;
}

bool Identity::failed_too_often(const std::string& address) {
  const auto now = clock_.steady();
  return failures_.with([&](auto& failures) {
    drop_expired(failures, [&](const Failures& f) { return now - f.since > minutes(1); });
    Failures& mine = failures[address];
    if (mine.count == 0) mine.since = now;
    return ++mine.count > kFailuresPerMinute;
  });
}

}  // namespace sarsweep::coordinator
