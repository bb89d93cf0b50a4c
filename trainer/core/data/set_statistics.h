#pragma once

#include <vector>

#include "trainer/core/data/dataset.h"

namespace sarsweep::trainer {

struct SetStatistics {
  double mean = 0, sigma = 0;  // of linear amplitude
};

// Of what training sees of the pictures: their centre where every crop is the centre, else the
// whole. Streams all of them and throws what is wrong with them, several together.
//
// Where options.cache_dir is given, <cache_dir>/statistics/<key>.json keeps the result, keyed by
// the files' digests and every option it depends on, with a digest of its own: a damaged file is
// measured anew.
SetStatistics set_statistics(const std::vector<DataItem>& pictures, const DataOptions& options);

}  // namespace sarsweep::trainer
