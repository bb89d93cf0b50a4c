#include "coordinator/http/ingress_rules.h"

#include <algorithm>

namespace sarsweep::coordinator {
namespace {

constexpr std::size_t kMostHeaders = 64;
constexpr std::size_t kLongestPath = 512;

using Result = std::optional<Rejection>;

Result reject(int status, std::string code, std::string message) {
  return Rejection{status, std::move(code), std::move(message)};
}

bool is_digits(const std::string& text) {
  return !text.empty() && text.size() <= 15 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_plain_path(const std::string& path) {
  if (path.empty() || path[0] != '/' || path.size() > kLongestPath) return false;
  if (path.find("..") != std::string::npos) return false;
  return std::all_of(path.begin(), path.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '~' || c == '/' || c == '-';
  });
}

Result check_headers(const httplib::Request& request) {
  if (request.headers.size() > kMostHeaders) return reject(431, "too_large", "too many headers");
  for (const auto& [name, value] : request.headers) {
    const auto control = [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; };
    if (std::any_of(value.begin(), value.end(), control)) {
      return reject(400, "invalid", "control bytes in a header");
    }
  }
  for (const char* ours : {"REMOTE_ADDR", "REMOTE_PORT", "LOCAL_ADDR", "LOCAL_PORT"}) {
    if (request.get_header_value_count(ours) > 1) {
      return reject(400, "invalid", std::string(ours) + " is not the client's to send");
    }
  }
  if (request.has_header("Range")) return reject(400, "invalid", "ranges are not served");
  return std::nullopt;
}

Result check_body(const httplib::Request& request) {
  if (request.has_header("Transfer-Encoding")) {
    return reject(411, "invalid", "send Content-Length, not Transfer-Encoding");
  }
  if (request.has_header("Content-Encoding")) {
    return reject(415, "invalid", "compressed bodies are not read");
  }
  const std::string type = request.get_header_value("Content-Type");
  if (type.starts_with("application/x-www-form-urlencoded") || type.starts_with("multipart/")) {
    return reject(415, "invalid", "send JSON (Content-Type: application/json), not a form");
  }
  const std::size_t lengths = request.get_header_value_count("Content-Length");
  if (lengths > 1) return reject(400, "invalid", "several Content-Length headers");
  if (lengths == 1 && !is_digits(request.get_header_value("Content-Length"))) {
    return reject(400, "invalid", "Content-Length is not a number");
  }
  const bool reads = request.method == "GET" || request.method == "HEAD";
  // Without a length the library reads until the client closes, past every cap.
  const bool writes = request.method == "POST" || request.method == "PUT";
  if (writes && lengths == 0) {
    return reject(411, "invalid", "send Content-Length: the bytes of the body, 0 without one");
  }
  if (reads && declared_length(request) > 0) return reject(400, "invalid", "a GET has no body");
  return std::nullopt;
}

Result check_origin(const httplib::Request& request, const std::vector<std::string>& hosts) {
  const auto allowed = [&](const std::string& host) {
    return std::find(hosts.begin(), hosts.end(), host) != hosts.end();
  };
  if (request.get_header_value_count("Host") != 1 || !allowed(request.get_header_value("Host"))) {
    return reject(403, "forbidden", "this Host is not served");
  }
  if (request.method == "GET") return std::nullopt;
  const std::string origin = request.get_header_value("Origin");
  const std::size_t scheme = origin.find("://");
  if (!origin.empty() && (scheme == std::string::npos || !allowed(origin.substr(scheme + 3)))) {
    return reject(403, "forbidden", "a change from another origin");
  }
  const std::string site = request.get_header_value("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin" && site != "none") {
    return reject(403, "forbidden", "a change from another site");
  }
  return std::nullopt;
}

}  // namespace

std::int64_t declared_length(const httplib::Request& request) {
  const std::string text = request.get_header_value("Content-Length");
  return is_digits(text) ? std::stoll(text) : 0;
}

std::optional<Rejection> check_ingress(const httplib::Request& request,
                                       const std::vector<std::string>& hosts) {
  if (!is_plain_path(request.path)) return reject(400, "invalid", "the path has odd characters");
  if (auto fault = check_headers(request)) return fault;
  if (auto fault = check_body(request)) return fault;
  return check_origin(request, hosts);
}

}  // namespace sarsweep::coordinator
