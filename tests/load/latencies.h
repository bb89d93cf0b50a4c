#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "schema/base/guarded.h"
#include "tests/load/timetable.h"

namespace sarsweep::load {

enum class Request { heartbeat, claim, started, events, log, finish, overview, late };
inline constexpr std::array kRequests = {Request::heartbeat, Request::claim, Request::started,
                                         Request::events,    Request::log,   Request::finish,
                                         Request::overview,  Request::late};
std::string_view to_string(Request request);

// Of all requests of one kind, in milliseconds.
struct Spread {
  std::size_t count = 0;
  double median = 0, p99 = 0, most = 0;
};

// How long each request took from when it was due, while the window is open. `late` is no request,
// but by how much the threads of this program began one behind its time. Thread-safe.
class Latencies {
 public:
  void open();
  void close();
  void add(Request request, TimePoint due, TimePoint end);
  Spread of(Request request) const;

 private:
  struct Books {
    bool open = false;
    std::array<std::vector<float>, kRequests.size()> ms;
  };
  Guarded<Books> books_;
};

}  // namespace sarsweep::load
