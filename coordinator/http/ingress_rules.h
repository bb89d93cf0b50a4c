#pragma once

#include <httplib.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sarsweep::coordinator {

struct Rejection {
  int status = 400;
  std::string code;  // as in schema/base/error.h
  std::string message;
};

// What every request must satisfy before its body is read, whatever the route: see the rules in
// schema/protocol/README.md. `hosts` are the allowed values of Host.
std::optional<Rejection> check_ingress(const httplib::Request& request,
                                       const std::vector<std::string>& hosts);

// The declared length of the body, 0 if none. Call after check_ingress.
std::int64_t declared_length(const httplib::Request& request);

}  // namespace sarsweep::coordinator
