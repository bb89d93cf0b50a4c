#include "tests/load/latencies.h"

#include <algorithm>

namespace sarsweep::load {

std::string_view to_string(Request request) {
  switch (request) {
    case Request::heartbeat: return "heartbeat";
    case Request::claim: return "claim";
    case Request::started: return "started";
    case Request::events: return "events";
    case Request::log: return "log";
    case Request::finish: return "finish";
    case Request::overview: return "overview";
    case Request::late: return "late";
  }
  return "";
}

void Latencies::open() {
  books_.with([](Books& books) { books.open = true; });
}

void Latencies::close() {
  books_.with([](Books& books) { books.open = false; });
}

void Latencies::add(Request request, TimePoint due, TimePoint end) {
  const std::chrono::duration<float, std::milli> took = end - due;
  books_.with([&](Books& books) {
    if (books.open) books.ms.at(static_cast<std::size_t>(request)).push_back(took.count());
  });
}

Spread Latencies::of(Request request) const {
  std::vector<float> ms = books_.with(
      [&](const Books& books) { return books.ms.at(static_cast<std::size_t>(request)); });
  if (ms.empty()) return {};
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double share) {
    const auto place = static_cast<std::size_t>(share * static_cast<double>(ms.size() - 1) + 0.5);
    return static_cast<double>(ms[place]);
  };
  return {ms.size(), at(0.5), at(0.99), at(1)};
}

}  // namespace sarsweep::load
