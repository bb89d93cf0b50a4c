#include "trainer/core/data/set_statistics.h"

#include <cmath>
#include <optional>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/data/fault_list.h"
#include "trainer/core/data/item_reader.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 1;  // of what is measured

SetStatistics measure(const std::vector<DataItem>& pictures, const DataOptions& options) {
  AmplitudeStatistics statistics;
  FaultList faults;
  for (const DataItem& item : pictures) {
    faults.gather([&] {
      const AmplitudeImage whole = read_picture(item, options);
      const View centre = central_view(item.prepared, options.resolution);
      statistics.add(options.crop == "center" ? seen(whole, centre, options.resolution) : whole);
    });
  }
  faults.throw_if_any();
  return {statistics.mean(), statistics.sigma()};
}

std::string key_of(const std::vector<DataItem>& pictures, const DataOptions& options) {
  json document = {{"version", kVersion},
                   {"gray", options.gray},
                   {"resize", options.resize},
                   {"whole", options.crop != "center"},
                   {"resolution", options.resolution},
                   {"pictures", json::array()}};
  for (const DataItem& item : pictures) {
    document["pictures"].push_back({item.sha256, item.scale ? json(*item.scale) : json()});
  }
  return sha256(canonical_json(document));
}

json document_of(const std::string& key, const SetStatistics& statistics) {
  json document = {{"key", key}, {"mean", statistics.mean}, {"sigma", statistics.sigma}};
  document["sha256"] = sha256(canonical_json(document));
  return document;
}

// nullopt where there is no whole file of this key.
std::optional<SetStatistics> remembered(const fs::path& file, const std::string& key) {
  if (!fs::is_regular_file(file)) return std::nullopt;
  const json document = json::parse(read_file(file), nullptr, false);
  if (!document.is_object() || !document.contains("mean") || !document.contains("sigma") ||
      !document["mean"].is_number() || !document["sigma"].is_number()) {
    return std::nullopt;
  }
  const SetStatistics statistics{document["mean"].get<double>(), document["sigma"].get<double>()};
  if (document != document_of(key, statistics)) return std::nullopt;
  return statistics;
}

}  // namespace

SetStatistics set_statistics(const std::vector<DataItem>& pictures, const DataOptions& options) {
  if (options.cache_dir.empty()) return measure(pictures, options);
  const std::string key = key_of(pictures, options);
  const fs::path file = options.cache_dir / "statistics" / (key + ".json");
  if (const std::optional<SetStatistics> known = remembered(file, key)) return *known;
  const SetStatistics statistics = measure(pictures, options);
  fs::create_directories(file.parent_path());
  write_file_atomically(file, canonical_json(document_of(key, statistics)));
  return statistics;
}

}  // namespace sarsweep::trainer
