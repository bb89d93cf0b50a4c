#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "trainer/core/amplitude.h"

namespace sarsweep::trainer {

// The `data.*` and `prompt.replace` fields that reading needs.
struct DataOptions {
  std::filesystem::path path;
  std::string split = "train";       // "val" and "validation" are the same
  int resolution = 1024;
  std::string caption_column = "text", label_column = "label";
  std::string scale_column;          // empty: none
  nlohmann::json stretch = "none";
  std::string stretch_scope = "dataset";
  std::string gray = "mean", crop = "center", resize = "error";
  std::vector<std::pair<std::string, std::string>> prompt_replace;
};
DataOptions data_options(const nlohmann::json& nested_config);  // of run.json's `config`

struct DataItem {
  std::string file_name;   // as in metadata.jsonl, beneath the split's folder
  std::filesystem::path path;
  std::string caption;     // as stored
  std::string prompt;      // caption after prompt.replace
  std::string label;       // "all" where there is none
  std::optional<double> scale;
};

// An imagefolder with metadata.jsonl. Construction reads the metadata of the split, checks that every
// file exists and, for dataset scope, measures the training split once. Throws Error(invalid) with
// the file and line at fault, e.g. a 16-bit set without a stretch.
class Dataset {
 public:
  Dataset(const DataOptions& options, const std::string& split);

  const std::vector<DataItem>& items() const { return items_; }
  // Linear amplitude, cropped to resolution² (the centre, or a corner drawn by the caller).
  AmplitudeImage amplitude(std::size_t index) const;
  // In [0,1] by the stretch.
  AmplitudeImage stretched(std::size_t index) const;
  const Stretch& stretch() const { return stretch_; }
  // SHA-256 over names, captions, labels and file digests: what a cached result depends on.
  const std::string& digest() const { return digest_; }
  const DataOptions& options() const { return options_; }

 private:
  DataOptions options_;
  std::vector<DataItem> items_;
  Stretch stretch_;
  std::string digest_;
};

// The items an evaluation uses: min(per_label, available) per label in order of SHA-256(file_name).
std::vector<std::size_t> evaluation_items(const Dataset& data, int per_label);

}  // namespace sarsweep::trainer
