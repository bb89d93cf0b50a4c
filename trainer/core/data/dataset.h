#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/data/view.h"
#include "trainer/core/images/amplitude.h"

namespace sarsweep::trainer {

// The `data.*` and `prompt.replace` fields that reading needs.
struct DataOptions {
  std::filesystem::path path;
  std::string format = "auto";
  std::string split = "train";  // "val" and "validation" are the same
  int resolution = 1024;
  std::string caption_column = "text", label_column = "label";
  std::string scale_column;  // empty: none
  std::string group_column;  // empty: none; else no group may lie in two splits
  nlohmann::json stretch = "none";
  std::string stretch_scope = "dataset";
  std::string gray = "mean", crop = "center", resize = "error";
  std::string flip = "none", range_axis;  // range_axis: empty where nothing is flipped
  std::vector<std::pair<std::string, std::string>> prompt_replace;
  std::filesystem::path cache_dir;  // where statistics are remembered; empty: nowhere
};
// From run.json's `config`. Throws Error(invalid) naming the field.
DataOptions data_options(const nlohmann::json& nested_config);

// A picture, or one tile of it.
struct DataItem {
  std::string file_name;  // as listed, beneath the split's folder; of a tile with "@row,col"
  PictureFile file;
  std::string caption;  // as stored
  std::string prompt;   // caption after prompt.replace
  std::string label;    // "all" where there is none
  std::optional<double> scale;
  std::string group;             // empty where there is none
  PictureSize stored, prepared;  // before and after data.resize
  View view;                     // the centre, or the tile
  std::string sha256;            // of the file
};

// A split of a data set in any layout (picture_list.h). Construction reads the metadata, checks
// every file's header, digests it and, for dataset scope, measures the training split once. Throws
// Error(invalid) with the file and line at fault, several faulty files together, e.g. a 16-bit set
// without a stretch. Const members are thread-safe.
class Dataset {
 public:
  // `measured`: the stretch of a data set with the same options, which spares measuring it again.
  Dataset(const DataOptions& options, const std::string& split,
          std::optional<Stretch> measured = std::nullopt);

  const std::vector<DataItem>& items() const { return items_; }
  // Linear amplitude of the whole picture after data.resize.
  AmplitudeImage picture(std::size_t index) const;
  // The view an evaluation sees: the centre or the tile.
  AmplitudeImage amplitude(std::size_t index) const;
  AmplitudeImage stretched(std::size_t index) const;  // in [0,1] by the stretch
  // A view of `picture(index)`, stretched.
  AmplitudeImage stretched(const AmplitudeImage& picture, const View& view) const;

  // Every mirroring a sample may have; one where nothing is flipped.
  const std::vector<Mirror>& mirrors() const { return mirrors_; }
  bool crops_at_random() const { return options_.crop == "random"; }
  // What a training sample shows of item `index`: a pure function of its draws.
  View drawn_view(std::size_t index, const SampleDraws& draws) const;
  std::array<float, 6> size_conditioning(std::size_t index, const View& view) const;

  const Stretch& stretch() const { return stretch_; }
  // SHA-256 over names, captions, labels, scales and file digests: what a cached result depends on.
  const std::string& digest() const { return digest_; }
  // SHA-256 over what the pixels of the items' views depend on: captions and names do not count.
  std::string pixels_digest() const;
  const DataOptions& options() const { return options_; }

 private:
  DataOptions options_;
  std::vector<Mirror> mirrors_;
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

// Reads the pixels of the items and throws what is wrong with them, several together.
void require_readable(const Dataset& data, const std::vector<std::size_t>& items);

// A stretch of the training split (options.split), e.g. a protocol's own: streamed once where the
// statistics of the set are needed, and remembered in options.cache_dir.
Stretch measured_stretch(const DataOptions& options, const nlohmann::json& stretch,
                         const std::string& scope);

}  // namespace sarsweep::trainer
