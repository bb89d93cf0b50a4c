#include "coordinator/http/lobby.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

constexpr int kEventsAtOnce = 64;
constexpr std::string_view kTooLate =
    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/json\r\n"
    "Content-Length: 67\r\n\r\n"
    "{\"error\":{\"code\":\"invalid\",\"message\":\"the headers did not arrive\"}}";
constexpr std::string_view kBlankLine = "\r\n\r\n";

enum class Headers { partial, complete, over };

// What a connection has sent so far; the bytes stay in the socket.
Headers headers_of(int socket, std::vector<char>& room) {
  const ssize_t count = ::recv(socket, room.data(), room.size(), MSG_PEEK | MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? Headers::partial : Headers::over;
  if (count == 0) return Headers::over;
  const std::string_view seen(room.data(), static_cast<std::size_t>(count));
  const bool enough = seen.size() == room.size() || seen.find(kBlankLine) != std::string_view::npos;
  return enough ? Headers::complete : Headers::partial;
}

}  // namespace

Lobby::Lobby(LobbyLimits limits, std::function<void(Visitor)> ready,
             std::function<void(Visitor)> gone)
    : limits_(limits),
      ready_(std::move(ready)),
      gone_(std::move(gone)),
      room_(limits.header_bytes) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_;
  if (epoll_ < 0 || wake_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
    throw Error(ErrorCode::internal, "the HTTP server cannot watch its connections (epoll)");
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

Lobby::~Lobby() {
  close();
  ::close(epoll_);
  ::close(wake_);
}

void Lobby::close() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
  thread_.join();
  while (std::optional<Visitor> visitor = take_oldest()) dismiss(std::move(*visitor));
}

void Lobby::enter(Visitor visitor) {
  const int socket = visitor.socket;
  std::vector<Visitor> sent_away;
  {
    const std::scoped_lock lock(mutex_);
    if (places_.size() >= limits_.most) sent_away.push_back(remove(places_.begin()));
    const auto place =
        places_.insert(places_.end(), {std::move(visitor), Clock::now() + limits_.headers});
    by_socket_[socket] = place;
    // Edge triggered: told of what is already there, and then once of whatever is new.
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    event.data.fd = socket;
    const bool watched = ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) == 0;
    if (!watched) sent_away.push_back(remove(place));
  }
  for (Visitor& one : sent_away) dismiss(std::move(one));
  const std::uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
}

bool Lobby::send_away(const std::string& address) {
  std::optional<Visitor> longest;
  {
    const std::scoped_lock lock(mutex_);
    const auto place = std::find_if(places_.begin(), places_.end(), [&](const Place& one) {
      return one.visitor.address == address;
    });
    if (place == places_.end()) return false;
    longest = remove(place);
  }
  dismiss(std::move(*longest));
  return true;
}

void Lobby::watch(const std::stop_token& stop) {
  std::array<epoll_event, kEventsAtOnce> events{};
  while (!stop.stop_requested()) {
    const int count = ::epoll_wait(epoll_, events.data(), kEventsAtOnce, patience_ms());
    for (int i = 0; i < count; ++i) {
      const int socket = events.at(static_cast<std::size_t>(i)).data.fd;
      std::uint64_t told = 0;
      if (socket == wake_) {
        (void)!::read(wake_, &told, sizeof told);
      } else {
        look_at(socket);
      }
    }
    end_overdue();
  }
}

void Lobby::look_at(int socket) {
  std::optional<Visitor> visitor;
  Headers headers = Headers::partial;
  {
    // Under the lock nobody closes the socket, and its number stays its own.
    const std::scoped_lock lock(mutex_);
    const auto found = by_socket_.find(socket);
    if (found == by_socket_.end()) return;  // Sent away between the event and now.
    headers = headers_of(socket, room_);
    if (headers == Headers::partial) return;
    visitor = remove(found->second);
  }
  if (headers == Headers::complete) {
    ready_(std::move(*visitor));
  } else {
    dismiss(std::move(*visitor));
  }
}

void Lobby::end_overdue() {
  for (;;) {
    std::optional<Visitor> overdue;
    {
      const std::scoped_lock lock(mutex_);
      if (places_.empty() || places_.front().until > Clock::now()) return;
      overdue = remove(places_.begin());
    }
    (void)::send(overdue->socket, kTooLate.data(), kTooLate.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    dismiss(std::move(*overdue));
  }
}

int Lobby::patience_ms() const {
  const std::scoped_lock lock(mutex_);
  if (places_.empty()) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(places_.front().until - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

std::optional<Visitor> Lobby::take_oldest() {
  const std::scoped_lock lock(mutex_);
  if (places_.empty()) return std::nullopt;
  return remove(places_.begin());
}

// Under the lock.
Visitor Lobby::remove(Places::iterator place) {
  Visitor visitor = std::move(place->visitor);
  by_socket_.erase(visitor.socket);
  places_.erase(place);
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, visitor.socket, nullptr);
  return visitor;
}

void Lobby::dismiss(Visitor visitor) {
  ::close(visitor.socket);
  gone_(std::move(visitor));
}

}  // namespace sarsweep::coordinator
