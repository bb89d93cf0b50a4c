#include "coordinator/http/guarded_server.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "tests/coordinator/http/loopback_socket.h"
#include "tests/support/raw_http.h"

namespace sarsweep::coordinator {
namespace {

using testing::LoopbackSocket;
using testing::status_of;

constexpr const char* kBodyToCome =
    "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";

// Waits until `wanted` of them have been answered; how many then have.
std::size_t answered(const std::vector<LoopbackSocket>& sockets, std::size_t wanted) {
  std::vector<pollfd> entries;
  for (const LoopbackSocket& socket : sockets) entries.push_back({socket.fd(), POLLIN, 0});
  std::size_t count = 0;
  while (count < wanted) {
    for (pollfd& entry : entries) {
      if ((entry.revents & POLLIN) != 0) entry.fd = -1;  // Poll no more: it has its answer.
    }
    if (::poll(entries.data(), entries.size(), 10'000) <= 0) break;
    for (const pollfd& entry : entries) count += (entry.revents & POLLIN) != 0 ? 1 : 0;
  }
  return count;
}

// Serves until it goes.
struct Small {
  Small() {
    server.Post("/", [](const httplib::Request&, httplib::Response&) {});
  }
  ~Small() { server.stop(); }

  GuardedServer server{{.stream = {}, .threads = 1, .waiting = 1}};
  int port = server.bind("127.0.0.1", 0);
  std::jthread listening{[this] { server.listen_after_bind(); }};
};

// One thread and one place behind it: of five requests one is read, one waits, three are told so.
TEST(GuardedServer, SaysAtOnceThatItIsBusy) {
  const Small small;
  const LoopbackSocket first(INADDR_LOOPBACK, small.port);
  ASSERT_TRUE(first.send(kBodyToCome));
  ASSERT_EQ(status_of(first.receive()), 100);
  std::vector<LoopbackSocket> more;
  for (int i = 0; i < 4; ++i) {
    more.emplace_back(INADDR_LOOPBACK, small.port);
    more.back().send(kBodyToCome);
  }
  ASSERT_EQ(answered(more, 3), 3);
  EXPECT_TRUE(first.send("x"));
  EXPECT_EQ(status_of(first.receive()), 200);
  std::vector<int> statuses;
  for (const LoopbackSocket& one : more) {
    const std::string said = one.receive();
    statuses.push_back(status_of(said));
    if (statuses.back() != 503) continue;
    EXPECT_NE(said.find("Retry-After: 1\r\n"), std::string::npos);
  }
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 503), 3);
  EXPECT_EQ(std::count(statuses.begin(), statuses.end(), 100), 1);
}

}  // namespace
}  // namespace sarsweep::coordinator
