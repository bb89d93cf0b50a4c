#include "trainer/torch/jobs/training_data.h"

#include <algorithm>

#include "schema/base/error.h"
#include "trainer/core/data/picture_list.h"
#include "trainer/core/schedule/draws.h"

namespace sarsweep::trainer {

SampleStream::SampleStream(std::uint64_t seed, std::size_t images)
    : seed_(seed), images_(static_cast<std::int64_t>(images)) {}

std::vector<StreamSample> SampleStream::samples(const UpdateRange& range) {
  std::vector<StreamSample> samples;
  for (std::int64_t index = range.begin; index < range.begin + range.size; ++index) {
    if (const std::int64_t epoch = index / images_; epoch != epoch_) {
      order_ = permutation(seed_, static_cast<std::uint64_t>(epoch), images_);
      epoch_ = epoch;
    }
    samples.push_back(
        {index, static_cast<std::size_t>(order_[static_cast<std::size_t>(index % images_)])});
  }
  return samples;
}

DataOptions data_options_of(const RunFile& file) {
  DataOptions options = data_options(file.config);
  options.cache_dir = file.cache_dir;
  return options;
}

Dataset training_split(const DataOptions& options) {
  Dataset data(options, options.split);
  if (data.items().empty()) {
    throw Error(ErrorCode::invalid,
                "the split '" + options.split + "' of " + options.path.string() + " has no image",
                "data.path");
  }
  return data;
}

std::optional<Dataset> validation_split(const DataOptions& options, const Stretch& stretch) {
  if (!has_split(options, "val")) return std::nullopt;
  return Dataset(options, "val", stretch);
}

void require_captions_with(const std::vector<std::string>& tokens, const Dataset& data) {
  for (const std::string& token : tokens) {
    const bool held = std::any_of(
        data.items().begin(), data.items().end(),
        [&](const DataItem& item) { return item.prompt.find(token) != std::string::npos; });
    if (held) continue;
    throw Error(ErrorCode::invalid,
                "no caption of " + data.options().path.string() + " holds token.text '" + token +
                    "'; put it there with prompt.replace, such as {\"a SAR image\": \"a " + token +
                    " image\"}",
                "token.text");
  }
}

std::int64_t micro_batch_size(std::optional<std::int64_t> configured, std::int64_t global_batch,
                              int resolution) {
  constexpr std::int64_t kPixels = 32 * 256 * 256, kMost = 32;
  const std::int64_t area = std::max<std::int64_t>(1, std::int64_t{resolution} * resolution);
  const std::int64_t most = std::clamp<std::int64_t>(kPixels / area, 1, kMost);
  return std::min(configured.value_or(most), global_batch);
}

}  // namespace sarsweep::trainer
