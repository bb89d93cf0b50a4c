#pragma once

#include <string>

namespace sarsweep::coordinator {

// Under which people and workers reach a listener that a proxy stands in front of.
struct PublicAddress {
  std::string url;        // "https://sar.example:8443", without a slash at its end
  std::string authority;  // as clients name it in Host: "sar.example:8443"; no default port
  bool tls = false;
};

// Throws Error(invalid) naming `option` for what is not http(s)://HOST[:PORT].
PublicAddress parse_public_address(const std::string& text, const std::string& option);

}  // namespace sarsweep::coordinator
