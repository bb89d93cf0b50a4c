#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/http/identity.h"
#include "schema/base/error.h"

namespace sarsweep::coordinator {

// One request after the guard: nothing of the HTTP library reaches a handler.
struct Call {
  std::map<std::string, std::string> path;        // values of {name} in the pattern
  std::multimap<std::string, std::string> query;  // only keys the route allows
  std::string body;
  std::filesystem::path upload;                // of a streamed route: the received file
  std::map<std::string, std::string> headers;  // lower-case names
  Principal caller;

  std::string param(const std::string& key, const std::string& otherwise = {}) const;
  std::int64_t number(const std::string& key,
                      std::int64_t otherwise) const;  // Throws Error(invalid).
  bool flag(const std::string& key) const;            // "1"; absent or "0": false. Throws Error.
  std::string header(const std::string& key) const;   // lower-case; empty if absent
  nlohmann::json json() const;                        // of the body; Throws Error(invalid).
};

struct Reply {
  int status = 200;
  std::string body;
  std::string mime = "application/json";
  std::map<std::string, std::string> headers;

  static Reply of(const nlohmann::json& document, int status = 200);
  // What a person sent cannot be taken: the reasons, an object, beside the sentence that counts
  // them.
  static Reply refused(const Error& error, nlohmann::json problems);
};

enum class Listener { control, data };

// One route. `role` has no default: a route without a rule does not compile.
struct Route {
  std::string method;
  std::string pattern;  // "/api/v1/runs/{id}/log"
  Role role;
  Listener listener;
  std::vector<std::string> query;  // allowed keys
  std::int64_t body_cap;           // bytes; 0: no body
  std::function<Reply(const Call&)> handle;
  // Given where the body goes to a file: throws Error where none should be stored, before it is.
  std::function<void(const Call&)> admit = {};

  bool streamed() const { return admit != nullptr; }
};

struct RouteMatch {
  const Route* route = nullptr;  // nullptr: nothing here
  std::string allowed;           // the methods this path takes, "GET, HEAD"
  std::map<std::string, std::string> path;
};

// Segment by segment, without regular expressions: the cost is linear in the path. A path that is
// spelled out belongs to its own routes, not to those that would take any word there.
RouteMatch match_route(const std::vector<Route>& routes, Listener listener, std::string_view method,
                       std::string_view path);

}  // namespace sarsweep::coordinator
