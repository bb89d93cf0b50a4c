// Connections that send a byte now and then and never finish their headers.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tests/coordinator/http/served.h"

namespace sarsweep {
namespace {

using testing::Served;
using testing::status_of;

constexpr int kDrippers = 1000, kOfOneAddress = 25, kRounds = 20;
constexpr std::string_view kEndless = "GET /healthz HTTP/1.1\r\nX-A: ";

sockaddr_in address_of(std::uint32_t ip, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(ip);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

void bind_to(int socket, std::uint32_t ip) {
  const sockaddr_in from = address_of(ip, 0);
  ::bind(socket, reinterpret_cast<const sockaddr*>(&from), sizeof from);
}

// Comes back whenever it is sent away.
class Dripper {
 public:
  Dripper(int port, std::uint32_t ip) : port_(port), ip_(ip) { connect(); }
  ~Dripper() { ::close(socket_); }
  Dripper(Dripper&& other) noexcept : port_(other.port_), ip_(other.ip_), socket_(other.socket_) {
    other.socket_ = -1;
  }
  Dripper(const Dripper&) = delete;

  void drip() {
    if (::send(socket_, "a", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1) return;
    ::close(socket_);
    connect();
  }

 private:
  void connect() {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind_to(socket_, ip_);
    const sockaddr_in to = address_of(INADDR_LOOPBACK, port_);
    ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    (void)!::send(socket_, kEndless.data(), kEndless.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  int port_;
  std::uint32_t ip_;
  int socket_ = -1;
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
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in to = address_of(INADDR_LOOPBACK, s.port());
  ASSERT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  const std::string request =
      "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(s.port()) + "\r\n\r\n";
  for (const char& byte : request) ASSERT_EQ(::send(socket, &byte, 1, MSG_NOSIGNAL), 1);
  std::string answer(64, '\0');
  const ssize_t count = ::recv(socket, answer.data(), answer.size(), 0);
  ::close(socket);
  answer.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  EXPECT_EQ(status_of(answer), 200) << answer;
}

}  // namespace
}  // namespace sarsweep
