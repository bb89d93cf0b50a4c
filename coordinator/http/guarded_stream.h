#pragma once

#include <httplib.h>

#include <chrono>
#include <string>

namespace sarsweep::coordinator {

struct StreamLimits {
  std::chrono::milliseconds headers{5'000};   // until the blank line
  std::chrono::milliseconds request{15'000};  // for the rest, plus what the least rate allows
  std::size_t header_bytes = 32 * 1024;
  double least_bytes_per_s = 64 * 1024;  // an upload has this much time for each byte it sent
};

// A connection that cannot hold its thread: absolute deadlines and byte caps on reading, a deadline
// on writing. One thread. After a limit is hit every read fails.
class GuardedStream final : public httplib::Stream {
 public:
  GuardedStream(int socket, StreamLimits limits);

  bool is_readable() const override;
  bool is_writable() const override;
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  std::string remote_address() const;  // "127.0.0.1"; empty if it cannot be told
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return socket_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point deadline() const;
  bool wait_for(short events, Clock::time_point until) const;
  bool fill();
  void note_headers(const char* data, size_t size);

  int socket_;
  StreamLimits limits_;
  Clock::time_point start_ = Clock::now();
  std::string buffer_;
  size_t taken_ = 0;     // of buffer_
  size_t received_ = 0;  // in all
  int newlines_ = 0;     // progress through "\r\n\r\n"
  bool headers_done_ = false;
};

}  // namespace sarsweep::coordinator
