#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace sarsweep::testing {

// A connection to a port of 127.0.0.1 that comes from `ip`, any of 127.0.0.0/8, and stays open.
class LoopbackSocket {
 public:
  LoopbackSocket(std::uint32_t ip, int port)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in from = address(ip, 0);
    const sockaddr_in to = address(INADDR_LOOPBACK, port);
    ::bind(fd_, reinterpret_cast<const sockaddr*>(&from), sizeof from);
    ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  ~LoopbackSocket() {
    if (fd_ >= 0) ::close(fd_);
  }
  LoopbackSocket(LoopbackSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  LoopbackSocket& operator=(LoopbackSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  int fd() const { return fd_; }
  // False where the peer has closed or takes no more.
  bool send(std::string_view bytes) const {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(bytes.size());
  }
  // What the peer says next; empty once it has closed, or when it says nothing for ten seconds.
  std::string receive() const {
    const timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::string said(4096, '\0');
    const ssize_t count = ::recv(fd_, said.data(), said.size(), 0);
    said.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return said;
  }

 private:
  static sockaddr_in address(std::uint32_t ip, int port) {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_addr.s_addr = htonl(ip);
    made.sin_port = htons(static_cast<std::uint16_t>(port));
    return made;
  }

  int fd_;
};

}  // namespace sarsweep::testing
