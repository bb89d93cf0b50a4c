#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/core/object_store.h"
#include "coordinator/stats/bootstrap.h"

namespace sarsweep::coordinator {

// What one result document says by image. Never changes once it is made.
struct ResultNumbers {
  std::shared_ptr<const stats::Resampling> images;  // nullptr: none
  std::map<std::string, stats::Resampled> metrics;  // by name in the document, without "eval/"
  std::vector<std::string> absent;                  // asked for, and not to be had
  std::map<std::string, double> floor;              // of real against real
  std::vector<std::string> labels;
  std::size_t bytes() const;
};

// The numbers of the results that were asked for last. A result is named by its digest, so what is
// known of it stays true; what does not fit goes, and is made again from the store. Not
// thread-safe.
class ResultCache {
 public:
  ResultCache(const ObjectStore& objects, std::size_t most_bytes);

  // With at least these metrics: some 0.1 s where they are not at hand, for 330 images. A result
  // that cannot be read has no images; that is logged once.
  std::shared_ptr<const ResultNumbers> get(const std::string& digest,
                                           const std::vector<std::string>& metrics);
  std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::string digest;
    std::shared_ptr<const ResultNumbers> numbers;
  };
  std::shared_ptr<const ResultNumbers> make(const std::string& digest,
                                            const std::vector<std::string>& metrics);
  std::shared_ptr<const stats::Resampling> resampling_of(const stats::ImageSet& images);
  void keep(const std::string& digest, std::shared_ptr<const ResultNumbers> numbers);

  const ObjectStore& objects_;
  std::size_t most_bytes_;
  std::size_t bytes_ = 0;
  std::list<Entry> entries_;  // the one asked for last in front
  std::map<std::string, std::list<Entry>::iterator> places_;
  std::list<std::shared_ptr<const stats::Resampling>> resamplings_;  // likewise
};

}  // namespace sarsweep::coordinator
