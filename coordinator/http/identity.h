#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "schema/base/clock.h"
#include "schema/base/guarded.h"

namespace sarsweep::coordinator {

// Rights in rising order; `worker` stands beside them: it may use the worker routes and nothing
// else.
enum class Role { nobody, viewer, submitter, admin, worker };
std::string_view to_string(Role role);

// True if a caller of role `have` may use a route that asks for `need`.
bool may(Role have, Role need);

// Who is calling. `csrf` is set for a cookie session: its changes must carry it.
struct Principal {
  Role role = Role::nobody;
  std::string name;  // "admin", "worker", "session"
  std::optional<std::string> csrf;
};

struct Session {
  std::string cookie;
  std::string csrf;
};

// Tokens, cookie sessions and one-time logins. A token is `prefix_id.secret`; only the SHA-256 of
// the secret is kept in memory. Thread-safe.
class Identity {
 public:
  // Reads <home>/token and <home>/worker-token, making what is absent (0600). Throws Error if a
  // file is readable by others.
  Identity(const std::filesystem::path& home, const Clock& clock);

  const std::filesystem::path& token_file() const { return token_file_; }
  const std::filesystem::path& worker_token_file() const { return worker_token_file_; }

  Principal from_bearer(const std::string& token) const;   // nobody: unknown
  Principal from_cookie(const std::string& cookie) const;  // nobody: unknown or expired

  std::string new_login_code();  // one use, 15 minutes
  std::optional<Session> redeem(const std::string& code);

  // Counts a failed attempt of an address; true while it has had more than 10 within a minute.
  bool failed_too_often(const std::string& address);

 private:
  struct Known {
    std::string secret_sha256;
    Role role;
  };
  struct Live {
    std::string csrf;
    Clock::TimePoint until;
  };
  struct Failures {
    Clock::TimePoint since;
    int count = 0;
  };
  void load(const std::filesystem::path& file, const std::string& prefix, Role role);

  const Clock& clock_;
  std::filesystem::path token_file_, worker_token_file_;
  std::map<std::string, Known> tokens_;  // by id; constant after construction
  Guarded<std::map<std::string, Clock::TimePoint>> codes_;
  Guarded<std::map<std::string, Live>> sessions_;  // by SHA-256 of the cookie
  Guarded<std::map<std::string, Failures>> failures_;
};

}  // namespace sarsweep::coordinator
