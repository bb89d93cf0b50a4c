#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trainer/core/data/dataset.h"
#include "trainer/core/run/run_file.h"
#include "trainer/core/schedule/accumulation.h"

namespace sarsweep::trainer {

// One image of the stream that a run consumes (accumulation.h).
struct StreamSample {
  std::int64_t sample_index = 0;  // keys its random draws
  std::size_t image = 0;          // in the training split
};

// The order in which a run sees its images: a pure function of seed and sample index. Not
// thread-safe (it keeps the permutation of the epoch it was last asked for).
class SampleStream {
 public:
  SampleStream(std::uint64_t seed, std::size_t images);
  std::vector<StreamSample> samples(const UpdateRange& range);

 private:
  std::uint64_t seed_;
  std::int64_t images_;
  std::int64_t epoch_ = -1;
  std::vector<std::int64_t> order_;
};

// The data fields of a run, statistics remembered in its cache folder.
DataOptions data_options_of(const RunFile& file);
// The training split, not empty.
Dataset training_split(const DataOptions& options);
// The val split; nullopt where the data has none.
std::optional<Dataset> validation_split(const DataOptions& options, const Stretch& stretch);

// Throws Error(invalid) for a token that no caption of `data` holds, after prompt.replace.
void require_captions_with(const std::vector<std::string>& tokens, const Dataset& data);

// Images of a forward pass: what the config says, else as many as 32 pictures of 256 x 256 have
// pixels.
std::int64_t micro_batch_size(std::optional<std::int64_t> configured, std::int64_t global_batch,
                              int resolution);

}  // namespace sarsweep::trainer
