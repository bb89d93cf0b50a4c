#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/images/picture_file.h"

// The layouts of a data set on disk, told in one language: a picture and the columns that describe
// it. docs/data.md shows each.
namespace sarsweep::trainer {

struct DataOptions;

// What is written about one picture.
struct MetadataRow {
  std::string where;      // "DIR/metadata.jsonl:12", for messages
  nlohmann::json values;  // an object
};

struct ListedPicture {
  std::string file_name;  // unique in its split; what results and digests call it
  PictureFile file;
  MetadataRow row;
};

// True where `split` exists ("val" finds "validation" and the other way round).
bool has_split(const DataOptions& options, const std::string& split);

// The pictures of a split in the order of its metadata, or of their names where there is none; in
// the layout options.format, `auto` looks. Nothing of the pictures is read. Throws Error(invalid)
// with file and line; what is wrong with several pictures is told together.
std::vector<ListedPicture> list_split(const DataOptions& options, const std::string& split);

// True for .png, .tif and .tiff, and for the lossy formats whose reader says why they are refused.
bool is_picture_name(const std::filesystem::path& name);

// A small text of an archive or folder: at most 1 MiB of valid UTF-8, white space at both ends cut.
std::string read_caption(const PictureFile& file);

// One for each layout. `folder`: of the split.
std::vector<ListedPicture> list_image_folder(const std::filesystem::path& folder);
std::vector<ListedPicture> list_caption_files(const std::filesystem::path& folder,
                                              const DataOptions& options);
std::vector<ListedPicture> list_shards(const std::vector<std::filesystem::path>& shards,
                                       const DataOptions& options);

}  // namespace sarsweep::trainer
