// Connections that send a byte now and then and never finish their headers.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tests/coordinator/http/loopback_socket.h"
#include "tests/coordinator/http/served.h"

namespace sarsweep {
namespace {

using testing::LoopbackSocket;
using testing::Served;
using testing::status_of;

constexpr int kDrippers = 1000, kOfOneAddress = 25, kRounds = 20;
constexpr std::string_view kEndless = "GET /healthz HTTP/1.1\r\nX-A: ";

// Comes back whenever it is sent away.
class Dripper {
 public:
  Dripper(int port, std::uint32_t ip) : port_(port), ip_(ip), socket_(ip, port) {
    socket_.send(kEndless);
  }

  void drip() {
    if (socket_.send("a")) return;
    socket_ = LoopbackSocket(ip_, port_);
    socket_.send(kEndless);
  }

 private:
  int port_;
  std::uint32_t ip_;
  LoopbackSocket socket_;
};

// As many as this process may hold the near ends of, with the server's ends beside them.
int drippers_allowed() {
  constexpr rlim_t kEnough = 4096, kOwn = 500;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min(limit.rlim_max, kEnough);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return std::min(kDrippers, static_cast<int>(limit.rlim_cur - kOwn));
}

// Asks in every round, and counts the answers that are not 200.
int refusals_among(const Served& served, std::vector<Dripper>& drippers) {
  int refused = 0;
  for (int round = 0; round < kRounds; ++round) {
    for (Dripper& one : drippers) one.drip();
    if (status_of(served.ask("GET", "/healthz")) != 200) ++refused;
  }
  return refused;
}

TEST(Drip, AThousandConnectionsThatNeverFinishKeepNobodyElseOut) {
  const int allowed = drippers_allowed();
  const Served s;
  std::vector<Dripper> drippers;
  for (int i = 0; i < allowed; ++i) {
    drippers.emplace_back(s.port(),
                          INADDR_LOOPBACK + 1 + static_cast<std::uint32_t>(i / kOfOneAddress));
  }
  EXPECT_EQ(refusals_among(s, drippers), 0) << "of " << kRounds;
}

TEST(Drip, OneAddressThatDripsStillGetsItsOwnRequestsThrough) {
  const Served s;
  std::vector<Dripper> drippers;
  for (int i = 0; i < 200; ++i) drippers.emplace_back(s.port(), INADDR_LOOPBACK);
  EXPECT_EQ(refusals_among(s, drippers), 0) << "of " << kRounds;
}

TEST(Drip, HeadersThatComeInPiecesAreServed) {
  const Served s;
  const LoopbackSocket socket(INADDR_LOOPBACK, s.port());
  const std::string request =
      "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(s.port()) + "\r\n\r\n";
  for (const char& byte : request) ASSERT_TRUE(socket.send({&byte, 1}));
  const std::string answer = socket.receive();
  EXPECT_EQ(status_of(answer), 200) << answer;
}

}  // namespace
}  // namespace sarsweep
