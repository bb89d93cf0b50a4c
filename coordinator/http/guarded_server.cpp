#include "coordinator/http/guarded_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <utility>

#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    "Content-Type: application/json\r\nContent-Length: 65\r\n\r\n"
    "{\"error\":{\"code\":\"busy\",\"message\":\"too many connections, retry\"}}\n";

// The library hands over each accepted connection as a job; here it is only received, on the
// accepting thread.
class Reception final : public httplib::TaskQueue {
 public:
  explicit Reception(std::function<void()> closing) : closing_(std::move(closing)) {}
  void enqueue(std::function<void()> job) override { job(); }
  void shutdown() override { closing_(); }

 private:
  std::function<void()> closing_;
};

// Lets the peer read the answer before the reset that unread input would cause: bounded in bytes
// and time.
void close_gently(int socket) {
  ::shutdown(socket, SHUT_WR);
  char discard[4096];
  for (int i = 0; i < 64; ++i) {
    pollfd entry{socket, POLLIN, 0};
    if (::poll(&entry, 1, 50) <= 0 || ::recv(socket, discard, sizeof discard, 0) <= 0) break;
  }
  ::close(socket);
}

void turn_away(int socket) {
  (void)::send(socket, kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(socket, SHUT_WR);
  ::close(socket);
}

}  // namespace

GuardedServer::GuardedServer(ServerLimits limits)
    : limits_(limits),
      pool_(limits.threads, limits.waiting),
      lobby_(
          {limits.stream.headers, limits.stream.header_bytes, limits.in_lobby},
          [this](const Visitor& visitor) { admit(visitor); },
          [this](const Visitor& visitor) { release(visitor.address); }) {
  new_task_queue = [this] { return new Reception([this] { drain(); }); };
  set_tcp_nodelay(true);
  set_payload_max_length(std::size_t{16}
                         << 30);  // The routes' own caps are smaller and checked first.
}

GuardedServer::~GuardedServer() { drain(); }

void GuardedServer::drain() {
  lobby_.close();
  pool_.close();
}

int GuardedServer::bind(const std::string& host, int port) {
  const int bound = port == 0 ? bind_to_any_port(host) : (bind_to_port(host, port) ? port : -1);
  if (bound <= 0) {
    throw Error(ErrorCode::invalid,
                fmt::format("cannot listen on {}:{}: is another coordinator running there? "
                            "Choose another with --port",
                            host, port));
  }
  ::listen(svr_sock_, 1024);  // The library's own backlog is 5.
  return bound;
}

bool GuardedServer::count(const std::string& address) {
  return live_.with([&](auto& live) {
    int& mine = live[address];
    if (mine >= limits_.per_address) return false;
    ++mine;
    return true;
  });
}

void GuardedServer::release(const std::string& address) {
  live_.with([&](auto& live) {
    if (--live[address] <= 0) live.erase(address);
  });
}

// On the accepting thread: an address with too many connections loses the one that has waited
// longest without saying what it wants.
bool GuardedServer::process_and_close_socket(socket_t socket) {
  Visitor visitor{socket, GuardedStream(socket, limits_.stream).remote_address()};
  const bool room =
      count(visitor.address) || (lobby_.send_away(visitor.address) && count(visitor.address));
  if (room) {
    lobby_.enter(std::move(visitor));
  } else {
    turn_away(socket);
  }
  return room;
}

// On the lobby's thread.
void GuardedServer::admit(const Visitor& visitor) {
  if (pool_.add([this, visitor] { serve(visitor); })) return;
  turn_away(visitor.socket);
  release(visitor.address);
}

void GuardedServer::answer(int socket) {
  GuardedStream stream(socket, limits_.stream);
  bool closed = false;
  process_request(stream, true, closed, nullptr);
  close_gently(socket);
}

void GuardedServer::serve(const Visitor& visitor) {
  answer(visitor.socket);
  release(visitor.address);
}

}  // namespace sarsweep::coordinator
