#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace sarsweep::coordinator {

// A connection that was accepted, and from where.
struct Visitor {
  int socket = -1;
  std::string address;
};

struct LobbyLimits {
  std::chrono::milliseconds headers{5'000};  // until the blank line
  std::size_t header_bytes = 32 * 1024;      // after so many the server is to refuse them
  std::size_t most = 256;                    // waiting at once; one more sends the longest away
};

// Where connections wait until their headers are complete, without a thread of their own: whoever
// drips bytes holds a place here and nothing else. One thread watches all of them.
class Lobby {
 public:
  // `ready` is called on the lobby's thread with a connection that can be served; it must not block
  // and owns the socket from then on. `gone` is called, on any thread, with one that was closed.
  Lobby(LobbyLimits limits, std::function<void(Visitor)> ready, std::function<void(Visitor)> gone);
  ~Lobby();
  Lobby(const Lobby&) = delete;
  Lobby& operator=(const Lobby&) = delete;

  // Takes the socket over; closes it where the system cannot watch one more. Thread-safe.
  void enter(Visitor visitor);
  // Closes the connection that waits longest, of this address; false if none does. Thread-safe.
  bool send_away(const std::string& address);
  // Closes all that wait and ends the thread.
  void close();

 private:
  using Clock = std::chrono::steady_clock;
  struct Place {
    Visitor visitor;
    Clock::time_point until;
  };
  using Places = std::list<Place>;  // the longest waiting first

  void watch(const std::stop_token& stop);
  void look_at(int socket);
  void end_overdue();
  int patience_ms() const;
  std::optional<Visitor> take_oldest();
  Visitor remove(Places::iterator place);
  void dismiss(Visitor visitor);

  const LobbyLimits limits_;
  const std::function<void(Visitor)> ready_, gone_;
  mutable std::mutex mutex_;
  Places places_;
  std::map<int, Places::iterator> by_socket_;
  std::vector<char> room_;  // of the lobby's thread
  int epoll_ = -1, wake_ = -1;
  std::jthread thread_;
};

}  // namespace sarsweep::coordinator
