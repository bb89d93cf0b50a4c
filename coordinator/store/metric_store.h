#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/store/connection.h"

namespace sarsweep::coordinator {

struct MetricPoint {
  std::int64_t step = 0;
  double value = 0;  // may be NaN or infinite
  std::int64_t attempt = 0;
};

// The points (run, key, attempt, step). Nothing is dropped: a step that several attempts reached
// has a point of each. An instance remembers the ids of the keys it has written: it lives no longer
// than the savepoint it writes in.
class MetricStore {
 public:
  explicit MetricStore(Connection& connection) : connection_(connection) {}

  // A second value of one attempt at one step replaces the first.
  void put(std::int64_t run, const std::string& key, const MetricPoint& point);
  std::vector<std::string> keys(std::int64_t run);
  // Every attempt's points, by step, then attempt.
  std::vector<MetricPoint> points(std::int64_t run, const std::string& key);
  // One point a step: of the newest attempt that resumed before it, else of the newest that has it
  // (an evaluation made again at the very step of its checkpoint).
  std::vector<MetricPoint> series(std::int64_t run, const std::string& key);
  // The canonical value at the last step; nullopt if there is none.
  std::optional<MetricPoint> last(std::int64_t run, const std::string& key);

 private:
  std::int64_t id_of(const std::string& key);

  Connection& connection_;
  std::map<std::string, std::int64_t> ids_;
};

}  // namespace sarsweep::coordinator
