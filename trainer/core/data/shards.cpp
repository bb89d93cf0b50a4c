// WebDataset: tar shards in which files of one name but different endings make a sample.
#include <fmt/format.h>

#include <map>

#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/data/dataset.h"
#include "trainer/core/data/fault_list.h"
#include "trainer/core/data/picture_list.h"
#include "trainer/core/data/tar_index.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLongestJson = 1 << 20;

// Ending (without the first dot) -> member.
using Sample = std::map<std::string, PictureFile>;

struct Named {
  std::string key, ending;
};

// The key ends at the first dot of the last part of the name.
Named split_name(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  const std::size_t start = slash == std::string::npos ? 0 : slash + 1;
  const std::size_t dot = name.find('.', start);
  if (dot == std::string::npos) return {name, {}};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

bool is_hidden(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  return name[slash == std::string::npos ? 0 : slash + 1] == '.';
}

[[noreturn]] void refuse(const fs::path& where, const std::string& reason) {
  throw Error(ErrorCode::invalid, fmt::format("{}: {}", where.string(), reason));
}

const PictureFile& picture_of(const fs::path& shard, const std::string& key, const Sample& sample) {
  const PictureFile* found = nullptr;
  for (const auto& [ending, file] : sample) {
    if (!is_picture_name("x." + ending)) continue;
    if (found != nullptr) refuse(shard / key, "has several pictures; keep one in a sample");
    found = &file;
  }
  if (found == nullptr) refuse(shard / key, "has no picture (.png, .tif) in its sample");
  return *found;
}

ListedPicture listed(const fs::path& shard, const std::string& key, const Sample& sample,
                     const DataOptions& options) {
  const PictureFile& file = picture_of(shard, key, sample);
  ListedPicture picture{(shard.filename() / file.member).generic_string(),
                        file,
                        {file.name(), nlohmann::json::object()}};
  nlohmann::json& values = picture.row.values;
  if (const auto found = sample.find("json"); found != sample.end()) {
    picture.row.where = found->second.name();
    if (found->second.size() > kLongestJson) refuse(picture.row.where, "is longer than 1 MiB");
    values = parse_json(found->second.read(), picture.row.where);
    if (!values.is_object()) refuse(picture.row.where, "is not a JSON object");
  }
  const auto fill = [&](const std::string& column, const char* ending) {
    const auto found = sample.find(ending);
    if (column.empty() || values.contains(column) || found == sample.end()) return;
    values[column] = read_caption(found->second);
  };
  fill(options.caption_column, "txt");
  fill(options.label_column, "cls");
  return picture;
}

void add_shard(const fs::path& shard, const DataOptions& options, FaultList& faults,
               std::vector<ListedPicture>& pictures) {
  std::vector<std::string> keys;  // in the order of the archive
  std::map<std::string, Sample> samples;
  for (const TarMember& member : index_tar(shard)) {
    if (is_hidden(member.name)) continue;
    const Named named = split_name(member.name);
    const auto [sample, fresh] = samples.try_emplace(named.key);
    if (fresh) keys.push_back(named.key);
    const PictureFile file{shard, member.name, PictureFile::Slice{member.offset, member.size}};
    if (!sample->second.emplace(named.ending, file).second) {
      refuse(shard / member.name, "comes twice in its archive");
    }
  }
  for (const std::string& key : keys) {
    faults.gather([&] { pictures.push_back(listed(shard, key, samples.at(key), options)); });
  }
}

}  // namespace

std::vector<ListedPicture> list_shards(const std::vector<fs::path>& shards,
                                       const DataOptions& options) {
  std::vector<ListedPicture> pictures;
  FaultList faults;
  for (const fs::path& shard : shards) add_shard(shard, options, faults, pictures);
  faults.throw_if_any();
  if (pictures.empty()) refuse(shards.front(), "holds no picture");
  return pictures;
}

}  // namespace sarsweep::trainer
