// kohya's layout: pictures, each with a caption of the same name beside it; a folder such as
// `10_ship` names a class and how often an epoch repeats it.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "schema/base/error.h"
#include "trainer/core/data/dataset.h"
#include "trainer/core/data/fault_list.h"
#include "trainer/core/data/image_folder.h"
#include "trainer/core/data/picture_list.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

struct ClassFolder {
  std::string label, repeats;  // repeats: as written, empty where there is none
};

ClassFolder class_of(const std::string& folder) {
  const std::size_t digits = folder.find_first_not_of("0123456789");
  const bool counted = digits != std::string::npos && digits > 0 && folder[digits] == '_' &&
                       digits + 1 < folder.size();
  if (!counted) return {folder, {}};
  return {folder.substr(digits + 1), folder.substr(0, digits)};
}

// An epoch here shows every picture once, so only equal counts can be honoured.
void require_equal_repeats(const fs::path& folder, const std::vector<fs::path>& pictures) {
  std::map<std::string, std::string> seen;  // repeats -> a folder that has them
  for (const fs::path& picture : pictures) {
    if (!picture.has_parent_path()) continue;
    const std::string name = picture.begin()->string();
    seen.emplace(class_of(name).repeats, name);
  }
  if (seen.size() < 2) return;
  throw Error(ErrorCode::invalid,
              fmt::format("{}: the folders {} and {} ask for different repeats; an epoch shows "
                          "every picture once: give all folders one number",
                          folder.string(), seen.begin()->second, seen.rbegin()->second),
              "data.path");
}

// Relative to `folder`, in the order of their names.
std::vector<fs::path> pictures_in(const fs::path& folder) {
  std::vector<fs::path> pictures;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_directory() || !is_picture_name(entry.path())) continue;
    pictures.push_back(entry.path().lexically_relative(folder));
  }
  std::sort(pictures.begin(), pictures.end());
  return pictures;
}

ListedPicture listed(const fs::path& folder, const fs::path& name, const DataOptions& options) {
  const std::string where = (folder / name).string();
  ListedPicture picture{
      name.generic_string(), {file_beneath(folder, name.string(), where)}, {where, {}}};
  fs::path caption = folder / name;
  caption.replace_extension(".txt");
  if (!fs::exists(caption)) caption.replace_extension(".caption");
  if (!fs::exists(caption)) {
    throw Error(ErrorCode::invalid,
                fmt::format("{}: has no caption file {} beside it", where,
                            fs::path(name).replace_extension(".txt").filename().string()));
  }
  picture.row.values = {{options.caption_column, read_caption({caption})}};
  if (name.has_parent_path() && !options.label_column.empty()) {
    picture.row.values[options.label_column] = class_of(name.begin()->string()).label;
  }
  return picture;
}

}  // namespace

std::vector<ListedPicture> list_caption_files(const fs::path& folder, const DataOptions& options) {
  const std::vector<fs::path> names = pictures_in(folder);
  if (names.empty()) {
    throw Error(ErrorCode::invalid, folder.string() + ": holds no picture", "data.path");
  }
  require_equal_repeats(folder, names);
  std::vector<ListedPicture> pictures;
  FaultList faults;
  for (const fs::path& name : names) {
    faults.gather([&] { pictures.push_back(listed(folder, name, options)); });
  }
  faults.throw_if_any();
  return pictures;
}

}  // namespace sarsweep::trainer
