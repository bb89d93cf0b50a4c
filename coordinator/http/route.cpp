#include "coordinator/http/route.h"

#include <charconv>

#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::coordinator {
namespace {

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const std::size_t end = std::min(path.find('/'), path.size());
    parts.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return parts;
}

bool fits(std::string_view pattern, const std::vector<std::string_view>& path,
          std::map<std::string, std::string>& values) {
  const std::vector<std::string_view> wanted = segments(pattern);
  if (wanted.size() != path.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      if (path[i].empty()) return false;
      values[std::string(wanted[i].substr(1, wanted[i].size() - 2))] = path[i];
    } else if (wanted[i] != path[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string Call::param(const std::string& key, const std::string& otherwise) const {
  const auto found = query.find(key);
  return found == query.end() ? otherwise : found->second;
}

std::int64_t Call::number(const std::string& key, std::int64_t otherwise) const {
  const auto found = query.find(key);
  if (found == query.end()) return otherwise;
  std::int64_t value = 0;
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw Error(ErrorCode::invalid, "'" + key + "' must be a whole number", key);
  }
  return value;
}

bool Call::flag(const std::string& key) const {
  const std::string text = param(key, "0");
  if (text != "0" && text != "1") {
    throw Error(ErrorCode::invalid, "'" + key + "' must be 0 or 1", key);
  }
  return text == "1";
}

std::string Call::header(const std::string& key) const {
  const auto found = headers.find(key);
  return found == headers.end() ? std::string() : found->second;
}

nlohmann::json Call::json() const {
  return parse_json(body, "the request body",
                    {.depth = 32, .values = 200'000, .string_bytes = 2 << 20});
}

Reply Reply::of(const nlohmann::json& document, int status) {
  return {status,
          document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
          "application/json",
          {}};
}

Reply Reply::refused(const Error& error, nlohmann::json problems) {
  const bool wants_files = problems.contains("needs_files");
  const std::string code = wants_files ? "needs_files" : std::string(to_string(error.code()));
  problems["error"] = {{"code", code}, {"message", error.what()}};
  return of(problems, error.code() == ErrorCode::conflict ? 409 : 422);
}

RouteMatch match_route(const std::vector<Route>& routes, Listener listener, std::string_view method,
                       std::string_view path) {
  const std::vector<std::string_view> parts = segments(path);
  RouteMatch result;
  std::size_t fewest = parts.size() + 1;
  for (const Route& route : routes) {
    std::map<std::string, std::string> values;
    if (route.listener != listener || !fits(route.pattern, parts, values)) continue;
    if (values.size() > fewest) continue;
    if (values.size() < fewest) result = {};
    fewest = values.size();
    if (!result.allowed.empty()) result.allowed += ", ";
    result.allowed += route.method == "GET" ? "GET, HEAD" : route.method;
    if (route.method == method) {
      result.route = &route;
      result.path = std::move(values);
    }
  }
  return result;
}

}  // namespace sarsweep::coordinator
