#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace sarsweep::tests {

// `there`, for a test that would skip where `what` is missing. Where the environment has
// SARSWEEP_NO_SKIPS, which script/test sets, a missing referee is no reason to skip: throws
// std::runtime_error, and the test fails.
inline bool present(bool there, const std::string& what) {
  if (there || std::getenv("SARSWEEP_NO_SKIPS") == nullptr) return there;
  throw std::runtime_error(what + " is missing, and SARSWEEP_NO_SKIPS forbids to skip for that");
}

}  // namespace sarsweep::tests
