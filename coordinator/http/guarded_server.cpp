#include "coordinator/http/guarded_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "schema/base/error.h"

namespace sarsweep::coordinator {
namespace {

// True on the accepting thread while it turns a connection away.
thread_local bool turning_away = false;

constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    "Content-Type: application/json\r\nContent-Length: 65\r\n\r\n"
    "{\"error\":{\"code\":\"busy\",\"message\":\"too many connections, retry\"}}\n";

// A pool with a bounded queue. A job beyond the bound runs at once on the accepting thread with
// `turning_away` set: dropping it would leak its socket.
class BoundedPool final : public httplib::TaskQueue {
 public:
  BoundedPool(int threads, int waiting) : waiting_(static_cast<size_t>(waiting)) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
  }

  void enqueue(std::function<void()> job) override {
    {
      const std::lock_guard lock(mutex_);
      if (jobs_.size() < waiting_) {
        jobs_.push_back(std::move(job));
        ready_.notify_one();
        return;
      }
    }
    turning_away = true;
    job();
    turning_away = false;
  }

  void shutdown() override {
    for (std::jthread& thread : threads_) thread.request_stop();
    ready_.notify_all();
    threads_.clear();
  }

 private:
  void work(const std::stop_token& stop) {
    for (;;) {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, stop, [this] { return !jobs_.empty(); });
      if (jobs_.empty()) return;
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
    }
  }

  size_t waiting_;
  std::mutex mutex_;
  std::condition_variable_any ready_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::jthread> threads_;
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

}  // namespace

GuardedServer::GuardedServer(ServerLimits limits) : limits_(limits) {
  new_task_queue = [limits] { return new BoundedPool(limits.threads, limits.waiting); };
  set_tcp_nodelay(true);
  set_payload_max_length(std::size_t{16}
                         << 30);  // The routes' own caps are smaller and checked first.
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

bool GuardedServer::admit(const std::string& address) {
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

bool GuardedServer::process_and_close_socket(socket_t socket) {
  GuardedStream stream(socket, limits_.stream);
  std::string address;
  int port = 0;
  stream.get_remote_ip_and_port(address, port);
  if (turning_away || !admit(address)) {
    (void)::send(socket, kBusy.data(), kBusy.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(socket, SHUT_WR);
    ::close(socket);
    return false;
  }
  bool closed = false;
  const bool good = process_request(stream, true, closed, nullptr);
  close_gently(socket);
  release(address);
  return good;
}

}  // namespace sarsweep::coordinator
