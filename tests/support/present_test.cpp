#include "tests/support/present.h"

#include <gtest/gtest.h>

#include <optional>

namespace sarsweep::tests {
namespace {

// As the environment was, again at the end.
class Present : public testing::Test {
 protected:
  Present() {
    if (const char* value = std::getenv(kName)) before_ = value;
  }
  ~Present() override {
    if (before_) {
      ::setenv(kName, before_->c_str(), 1);
    } else {
      ::unsetenv(kName);
    }
  }
  static constexpr const char* kName = "SARSWEEP_NO_SKIPS";
  std::optional<std::string> before_;
};

TEST_F(Present, WhatIsMissingIsAReasonToSkipUnlessThatIsForbidden) {
  ::unsetenv(kName);
  EXPECT_TRUE(present(true, "python"));
  EXPECT_FALSE(present(false, "python"));
  ::setenv(kName, "1", 1);
  EXPECT_TRUE(present(true, "python"));
  EXPECT_THROW(present(false, "python"), std::runtime_error);
}

}  // namespace
}  // namespace sarsweep::tests
