#include "schema/base/error.h"

#include <array>
#include <cerrno>

namespace sarsweep {
namespace {
constexpr std::array kAll = {ErrorCode::invalid,   ErrorCode::unauthorized, ErrorCode::forbidden,
                             ErrorCode::not_found, ErrorCode::conflict,     ErrorCode::fenced,
                             ErrorCode::too_large, ErrorCode::busy,         ErrorCode::unreachable,
                             ErrorCode::no_space,  ErrorCode::internal};
}  // namespace

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid: return "invalid";
    case ErrorCode::unauthorized: return "unauthorized";
    case ErrorCode::forbidden: return "forbidden";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::conflict: return "conflict";
    case ErrorCode::fenced: return "fenced";
    case ErrorCode::too_large: return "too_large";
    case ErrorCode::busy: return "busy";
    case ErrorCode::no_space: return "no_space";
    case ErrorCode::unreachable: return "unreachable";
    case ErrorCode::internal: return "internal";
  }
  return "internal";
}

ErrorCode code_of_errno(int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  return full ? ErrorCode::no_space : ErrorCode::internal;
}

ErrorCode parse_error_code(std::string_view text) {
  for (const ErrorCode code : kAll) {
    if (to_string(code) == text) return code;
  }
  return ErrorCode::internal;
}

}  // namespace sarsweep
