#include "coordinator/http/guarded_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sarsweep::coordinator {
namespace {

constexpr size_t kChunk = 16 * 1024;

void describe(const sockaddr_storage& address, std::string& ip, int& port) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    port = ntohs(v6.sin6_port);
  }
  ip = text;
}

}  // namespace

GuardedStream::GuardedStream(int socket, StreamLimits limits) : socket_(socket), limits_(limits) {}

GuardedStream::Clock::time_point GuardedStream::deadline() const {
  if (!headers_done_) return start_ + limits_.headers;
  const std::chrono::duration<double> earned(static_cast<double>(received_) /
                                             limits_.least_bytes_per_s);
  return start_ + limits_.request + std::chrono::duration_cast<Clock::duration>(earned);
}

bool GuardedStream::wait_for(short events, Clock::time_point until) const {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0) return false;
    pollfd entry{socket_, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(left.count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

bool GuardedStream::fill() {
  if (!headers_done_ && received_ >= limits_.header_bytes) return false;
  if (!wait_for(POLLIN, deadline())) return false;
  buffer_.resize(kChunk);
  const ssize_t count = ::recv(socket_, buffer_.data(), kChunk, 0);
  buffer_.resize(count > 0 ? static_cast<size_t>(count) : 0);
  taken_ = 0;
  if (count <= 0) return false;
  received_ += static_cast<size_t>(count);
  note_headers(buffer_.data(), buffer_.size());
  return true;
}

void GuardedStream::note_headers(const char* data, size_t size) {
  static constexpr char kEnd[] = "\r\n\r\n";
  for (size_t i = 0; i < size && !headers_done_; ++i) {
    newlines_ = data[i] == kEnd[newlines_] ? newlines_ + 1 : (data[i] == '\r' ? 1 : 0);
    headers_done_ = newlines_ == 4;
  }
}

bool GuardedStream::is_readable() const {
  return taken_ < buffer_.size() || wait_for(POLLIN, deadline());
}

bool GuardedStream::is_writable() const {
  return wait_for(POLLOUT, Clock::now() + limits_.request);
}

ssize_t GuardedStream::read(char* data, size_t size) {
  if (taken_ == buffer_.size() && !fill()) return -1;
  const size_t count = std::min(size, buffer_.size() - taken_);
  std::memcpy(data, buffer_.data() + taken_, count);
  taken_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t GuardedStream::write(const char* data, size_t size) {
  if (!is_writable()) return -1;
  return ::send(socket_, data, size, MSG_NOSIGNAL);
}

void GuardedStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    describe(address, ip, port);
  }
}

std::string GuardedStream::remote_address() const {
  std::string address;
  int port = 0;
  get_remote_ip_and_port(address, port);
  return address;
}

void GuardedStream::get_local_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    describe(address, ip, port);
  }
}

}  // namespace sarsweep::coordinator
