#include "coordinator/core/result_numbers.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "coordinator/core/history_views.h"
#include "coordinator/stats/judged_run.h"
#include "coordinator/stats/statistic.h"
#include "schema/base/error.h"
#include "schema/base/log.h"

namespace sarsweep::coordinator {
namespace {

constexpr std::size_t kImageSets = 3;         // of 2.6 MB each, for 330 images
constexpr std::size_t kLargeImageSet = 2000;  // images: then one at a time

std::optional<stats::JudgedRun> judged_run(const ObjectStore& objects, const std::string& digest) {
  try {
    return stats::read_result(read_evaluation(objects, digest));
  } catch (const std::exception& error) {
    spdlog::warn("the result {} has no statistics: {}", digest, printable(error.what()));
    return std::nullopt;
  }
}

bool has(const ResultNumbers& numbers, const std::string& metric) {
  const auto& absent = numbers.absent;
  return numbers.metrics.contains(metric) ||
         std::find(absent.begin(), absent.end(), metric) != absent.end();
}

}  // namespace

std::size_t ResultNumbers::bytes() const {
  std::size_t sum = sizeof(ResultNumbers) + 64 * (absent.size() + floor.size() + labels.size());
  for (const auto& [name, each] : metrics) {
    sum += 256 + sizeof(float) * (each.replicates.size() + each.influence.size());
  }
  return sum;
}

ResultCache::ResultCache(const ObjectStore& objects, std::size_t most_bytes)
    : objects_(objects), most_bytes_(most_bytes) {}

std::shared_ptr<const ResultNumbers> ResultCache::get(const std::string& digest,
                                                      const std::vector<std::string>& metrics) {
  std::vector<std::string> wanted = metrics;
  const auto place = places_.find(digest);
  if (place != places_.end()) {
    entries_.splice(entries_.begin(), entries_, place->second);
    const std::shared_ptr<const ResultNumbers>& known = place->second->numbers;
    const bool whole = std::all_of(metrics.begin(), metrics.end(),
                                   [&](const std::string& metric) { return has(*known, metric); });
    if (whole || known->images == nullptr) return known;
    for (const auto& [name, numbers] : known->metrics) wanted.push_back(name);
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  }
  keep(digest, make(digest, wanted));
  return entries_.front().numbers;
}

std::shared_ptr<const ResultNumbers> ResultCache::make(const std::string& digest,
                                                       const std::vector<std::string>& metrics) {
  auto numbers = std::make_shared<ResultNumbers>();
  const std::optional<stats::JudgedRun> run = judged_run(objects_, digest);
  if (!run) return numbers;
  numbers->images = resampling_of(run->images);
  numbers->floor = run->floor;
  for (const auto& stratum : run->images.strata()) {
    if (!stratum.label.empty()) numbers->labels.push_back(stratum.label);
  }
  std::vector<std::string> names;
  std::vector<stats::Statistic> statistics;
  for (const std::string& metric : metrics) {
    const std::optional<stats::Statistic> statistic = stats::statistic_of(metric);
    if (!statistic) {
      numbers->absent.push_back(metric);
      continue;
    }
    names.push_back(metric);
    statistics.push_back(*statistic);
  }
  std::vector<std::optional<stats::Resampled>> made =
      stats::resample(*run, *numbers->images, statistics);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (made[i]) {
      numbers->metrics[names[i]] = std::move(*made[i]);
    } else {
      numbers->absent.push_back(names[i]);
    }
  }
  return numbers;
}

std::shared_ptr<const stats::Resampling> ResultCache::resampling_of(const stats::ImageSet& images) {
  const auto known = std::find_if(resamplings_.begin(), resamplings_.end(),
                                  [&](const auto& each) { return each->images() == images; });
  if (known != resamplings_.end()) {
    resamplings_.splice(resamplings_.begin(), resamplings_, known);
  } else {
    resamplings_.push_front(std::make_shared<const stats::Resampling>(images));
    const std::size_t most = images.size() > kLargeImageSet ? 1 : kImageSets;
    while (resamplings_.size() > most) resamplings_.pop_back();
  }
  return resamplings_.front();
}

void ResultCache::keep(const std::string& digest, std::shared_ptr<const ResultNumbers> numbers) {
  const auto place = places_.find(digest);
  if (place != places_.end()) {
    bytes_ -= place->second->numbers->bytes();
    entries_.erase(place->second);
  }
  bytes_ += numbers->bytes();
  entries_.push_front({digest, std::move(numbers)});
  places_[digest] = entries_.begin();
  while (bytes_ > most_bytes_ && entries_.size() > 1) {
    bytes_ -= entries_.back().numbers->bytes();
    places_.erase(entries_.back().digest);
    entries_.pop_back();
  }
}

}  // namespace sarsweep::coordinator
