#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace sarsweep {

// What went wrong, as the API spells it. Each code has one HTTP status and one CLI exit code.
enum class ErrorCode {
  invalid,       // The input is wrong; trying again will not help.
  unauthorized,  // No identity.
  forbidden,     // An identity without the right.
  not_found,
  conflict,  // The thing is in a state that forbids this.
  fenced,    // The caller's lease epoch is not the current one.
  too_large,
  busy,         // Try again later.
  unreachable,  // The other process does not answer.
  internal,
  no_space  // The disk is full: try again when there is space.
};

std::string_view to_string(ErrorCode code);
// What a system call that failed with `error_number` means: no_space or internal.
ErrorCode code_of_errno(int error_number);
ErrorCode parse_error_code(std::string_view text);  // Unknown spellings become `internal`.

// The only exception our code throws: the unit of work cannot go on. The message names the thing
// and the value; `field` names the offending request key or config field, if there is one.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::string field = {})
      : std::runtime_error(message), code_(code), field_(std::move(field)) {}
  ErrorCode code() const { return code_; }
  const std::string& field() const { return field_; }

 private:
  ErrorCode code_;
  std::string field_;
};

}  // namespace sarsweep
