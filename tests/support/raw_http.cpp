#include "tests/support/raw_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

namespace sarsweep::testing {
namespace {

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<unsigned short>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

std::string send_raw(int port, const std::string& bytes, double timeout_s) {
  const int fd = connect_to(port);
  if (fd < 0) return {};
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(timeout_s);
  std::string answer;
  std::size_t sent = 0;
  char buffer[8192];
  while (std::chrono::steady_clock::now() < until) {
    const short wanted = static_cast<short>(POLLIN | (sent < bytes.size() ? POLLOUT : 0));
    pollfd entry{fd, wanted, 0};
    if (::poll(&entry, 1, 100) <= 0) continue;
    if ((entry.revents & POLLIN) != 0) {
      const ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      answer.append(buffer, static_cast<std::size_t>(count));
    } else if ((entry.revents & POLLOUT) != 0) {
      const ssize_t count = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count < 0) {
        sent = bytes.size();  // The peer stopped reading: hear what it says.
      } else {
        sent += static_cast<std::size_t>(count);
      }
    } else {
      break;
    }
  }
  ::close(fd);
  return answer;
}

int status_of(const std::string& response) {
  return response.size() > 12 && response.compare(0, 5, "HTTP/") == 0
             ? std::atoi(response.c_str() + 9)
             : 0;
}

std::string body_of(const std::string& response) {
  const std::size_t end = response.find("\r\n\r\n");
  return end == std::string::npos ? std::string() : response.substr(end + 4);
}

int count_of(const std::string& text, const std::string& part) {
  int count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

}  // namespace sarsweep::testing
