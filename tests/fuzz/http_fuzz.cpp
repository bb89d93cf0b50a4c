// Whatever bytes a connection carries, it gets at most one response, none that says the server
// failed, and without a token nothing but what is public. The first byte chooses the listener and
// whether tokens are asked for; HOST stands for the address the server knows itself by.
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "coordinator/core/coordinator.h"
#include "coordinator/http/server.h"
#include "tests/support/temp_dir.h"

namespace {

using namespace sarsweep;
using namespace sarsweep::coordinator;

struct Servers {
  Servers() { spdlog::set_level(spdlog::level::off); }

  CoordinatorOptions options() const {
    CoordinatorOptions made;
    made.home = home.path();
    made.store = home.path() / "store";
    return made;
  }
  static ServerOptions listening(Authentication authentication) {
    return {.host = "127.0.0.1", .port = 0, .data_port = 0, .authentication = authentication};
  }

  testing::TempDir home;
  Coordinator core{options(), system_clock()};
  Identity identity{home.path(), system_clock()};
  HttpServer locked{core, identity, listening(Authentication::required)};
  HttpServer open{core, identity, listening(Authentication::off)};
};

std::string with_host(std::string_view bytes, const std::string& url) {
  static constexpr std::string_view kHost = "HOST";
  std::string request(bytes);
  const std::size_t at = request.find(kHost);
  if (at != std::string::npos) request.replace(at, kHost.size(), url.substr(7));  // http://
  return request;
}

std::string read_all(int socket) {
  std::string all;
  std::array<char, 16384> part{};
  for (;;) {
    const ssize_t n = ::read(socket, part.data(), part.size());
    if (n <= 0) return all;
    all.append(part.data(), static_cast<std::size_t>(n));
  }
}

// The answer to `request`: its bytes, then the end of the stream.
std::string ask(HttpServer& server, Listener listener, const std::string& request) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) std::abort();
  for (const int end : ends) {
    const int bytes = 4 << 20;  // an answer must fit: nobody reads it meanwhile
    ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }
  std::size_t sent = 0;
  while (sent < request.size()) {
    const ssize_t n =
        ::send(ends[0], request.data() + sent, request.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0) break;
    sent += static_cast<std::size_t>(n);
  }
  ::shutdown(ends[0], SHUT_WR);
  server.answer(listener, ends[1]);
  const std::string reply = read_all(ends[0]);
  ::close(ends[0]);
  return reply;
}

bool is_public(std::string_view request) {
  const std::size_t path = request.find(' ');
  if (path == std::string_view::npos) return false;
  const std::string_view rest = request.substr(path + 1);
  return rest.starts_with("/healthz") || rest.starts_with("/readyz") ||
         rest.starts_with("/api/v1/login") || !rest.starts_with("/api");
}

// The first digit of the one final status; 100 Continue may stand before it.
char status_of(std::string_view reply) {
  static constexpr std::string_view kBegin = "HTTP/1.1 ",
                                    kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  if (reply.starts_with(kContinue)) reply.remove_prefix(kContinue.size());
  if (!reply.starts_with(kBegin) || reply.size() < kBegin.size() + 3) std::abort();
  if (reply.find("\r\nHTTP/1.1 ") != std::string_view::npos) std::abort();
  return reply[kBegin.size()];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Servers servers;
  if (size == 0) return 0;
  const Listener listener = (data[0] & 1) != 0 ? Listener::data : Listener::control;
  const bool locked = (data[0] & 2) == 0;
  HttpServer& server = locked ? servers.locked : servers.open;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string request =
      with_host(bytes, listener == Listener::data ? server.data_url() : server.url());
  const std::string reply = ask(server, listener, request);
  if (reply.empty()) return 0;
  const char status = status_of(reply);
  if (status == '5' || (locked && status == '2' && !is_public(request))) std::abort();
  return 0;
}
