#include "schema/config/size.h"

#include <gtest/gtest.h>

namespace sarsweep::config {
namespace {

TEST(Size, IsAWholeNumberWithAUnit) {
  EXPECT_EQ(parse_size("70GiB"), std::int64_t{70} << 30);
  EXPECT_EQ(parse_size("24GB"), 24'000'000'000);
  EXPECT_EQ(parse_size("512MiB"), 512 << 20);
  EXPECT_EQ(parse_size("1TiB"), std::int64_t{1} << 40);
  EXPECT_EQ(parse_size("1024TiB"), std::int64_t{1} << 50);
}

TEST(Size, NothingElseIsOne) {
  for (const char* text : {"", "70", "GiB", "0GiB", "-1GiB", "1.5GiB", "70 GiB", "70gib", "70GiBs",
                           "1025TiB", "99999999999999999999GiB", "70Gb"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Size, IsShownInGiB) {
  EXPECT_EQ(display_gib(std::int64_t{70} << 30), "70 GiB");
  EXPECT_EQ(display_gib(std::int64_t{24'564} << 20), "24 GiB");
  EXPECT_EQ(display_gib(std::int64_t{81'559} << 20), "79.6 GiB");
  EXPECT_EQ(display_gib(0), "0 GiB");
}

}  // namespace
}  // namespace sarsweep::config
