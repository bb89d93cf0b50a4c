#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

// The `data.*` and `prompt.replace` fields that reading needs.
struct DataOptions {
  std::filesystem::path path;
  std::string split = "train";  // "val" and "validation" are the same
  int resolution = 1024;
  std::string caption_column = "text", label_column = "label";
  std::string scale_column;  // empty: none
  std::string group_column;  // empty: none; else no group may lie in two splits
  nlohmann::json stretch = "none";
  std::string stretch_scope = "dataset";
  std::string gray = "mean", crop = "center", resize = "error";
  std::vector<std::pair<std::string, std::string>> prompt_replace;
};
// From run.json's `config`. Throws Error(invalid) for what this version cannot read (another
// format, crop tile, a resize).
DataOptions data_options(const nlohmann::json& nested_config);

struct DataItem {
  std::string file_name;  // as in metadata.jsonl, beneath the split's folder
  std::filesystem::path path;
  std::string caption;  // as stored
  std::string prompt;   // caption after prompt.replace
  std::string label;    // "all" where there is none
  std::optional<double> scale;
  std::string group;  // empty where there is none
  int height = 0, width = 0;
  std::string sha256;  // of the file
};

// An imagefolder with metadata.jsonl. Construction reads the metadata of the split, checks every
// file's header and, for dataset scope, measures the training split once. Throws Error(invalid)
// with the file and line at fault, e.g. a 16-bit set without a stretch. Const members are
// thread-safe.
class Dataset {
 public:
  // `measured`: the stretch of a data set with the same options, which spares measuring it again.
  Dataset(const DataOptions& options, const std::string& split,
          std::optional<Stretch> measured = std::nullopt);

  const std::vector<DataItem>& items() const { return items_; }
  // Linear amplitude, cropped to resolution² (the centre; with an odd margin the upper or left
  // pixel more is cut on the far side).
  AmplitudeImage amplitude(std::size_t index) const;
  // The same with the crop's upper left corner drawn by the caller in
  // [0, height - resolution] x [0, width - resolution].
  AmplitudeImage amplitude_at(std::size_t index, int row, int col) const;
  // In [0,1] by the stretch.
  AmplitudeImage stretched(std::size_t index) const;
  const Stretch& stretch() const { return stretch_; }
  // SHA-256 over names, captions, labels, scales and file digests: what a cached result depends on.
  const std::string& digest() const { return digest_; }
  const DataOptions& options() const { return options_; }

 private:
  DataOptions options_;
  std::vector<DataItem> items_;
  Stretch stretch_;
  std::string digest_;
};

// The items an evaluation uses: min(per_label, available) per label in order of SHA-256(file_name).
// Labels ascend.
std::vector<std::size_t> evaluation_items(const Dataset& data, int per_label);

// SHA-256 over those items only, in this order: the `data_digest` of protocol_hash.
std::string items_digest(const std::vector<DataItem>& items,
                         const std::vector<std::size_t>& chosen);

// A stretch of the training split (options.split), e.g. a protocol's own: streamed once where the
// statistics of the set are needed.
Stretch measured_stretch(const DataOptions& options, const nlohmann::json& stretch,
                         const std::string& scope);

}  // namespace sarsweep::trainer
