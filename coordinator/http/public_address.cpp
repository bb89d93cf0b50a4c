#include "coordinator/http/public_address.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

bool is_host(std::string_view text) {
  const bool bracketed = text.size() > 2 && text.front() == '[' && text.back() == ']';
  if (bracketed) text = text.substr(1, text.size() - 2);
  return !text.empty() && std::all_of(text.begin(), text.end(), [bracketed](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-' || (bracketed && c == ':');
  });
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

PublicAddress parse_public_address(const std::string& text, const std::string& option) {
  const Error refusal(ErrorCode::invalid,
                      option + " '" + text +
                          "' is no address; write https://HOST or "
                          "https://HOST:PORT, without a path",
                      option);
  PublicAddress address;
  address.tls = text.starts_with("https://");
  if (!address.tls && !text.starts_with("http://")) throw refusal;
  std::string rest = text.substr(text.find("://") + 3);
  while (rest.ends_with('/')) rest.pop_back();
  const std::size_t colon = rest.rfind(':');
  const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
  const std::string host = has_port ? rest.substr(0, colon) : rest;
  const std::string port = has_port ? rest.substr(colon + 1) : "";
  if (!is_host(host) || (has_port && !is_port(port))) throw refusal;
  const bool usual = port.empty() || port == (address.tls ? "443" : "80");
  address.authority = usual ? host : host + ":" + port;
  address.url = (address.tls ? "https://" : "http://") + address.authority;
  return address;
}

}  // namespace sarsweep::coordinator
