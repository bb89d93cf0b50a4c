#include "coordinator/http/lobby.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace sarsweep::coordinator {
namespace {

// epoll refuses a plain file, as it refuses a socket where the system's watches are used up.
TEST(Lobby, ClosesWhatItCannotWatch) {
  int ready = 0;
  std::string gone;
  Lobby lobby(
      {}, [&](const Visitor&) { ++ready; },
      [&](const Visitor& visitor) { gone = visitor.address; });
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  lobby.enter({file, "10.0.0.1"});
  EXPECT_EQ(gone, "10.0.0.1");
  EXPECT_EQ(ready, 0);
  EXPECT_EQ(::fcntl(file, F_GETFD), -1) << "it is closed";
  EXPECT_FALSE(lobby.send_away("10.0.0.1")) << "it holds no place";
}

}  // namespace
}  // namespace sarsweep::coordinator
