#include "trainer/core/metrics/folder_pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "trainer/core/data/image_folder.h"
#include "trainer/core/metrics/in_parallel.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Picture {
  std::string file_name, label = "all", caption;
  fs::path path;
  std::int64_t seed = 0;
  std::optional<double> scale;
  std::optional<Stretch> stretch;
};

Picture from_row(const fs::path& folder, const MetadataRow& row) {
  Picture picture;
  const std::optional<std::string> name = text_of(row, "file_name");
  if (!name) throw Error(ErrorCode::invalid, row.where + ": has no \"file_name\"");
  picture.file_name = *name;
  picture.path = file_beneath(folder, *name, row.where);
  picture.label = text_of(row, "label").value_or("all");
  picture.caption = text_of(row, "text").value_or("");
  if (row.values.contains("scale")) picture.scale = scale_of(row, "scale");
  if (row.values.contains("stretch")) picture.stretch = Stretch::from_json(row.values["stretch"]);
  const auto seed = row.values.find("seed");
  if (seed != row.values.end() && seed->is_number_integer())
    picture.seed = seed->get<std::int64_t>();
  return picture;
}

bool is_picture(const fs::path& path) {
  static const std::set<std::string> kEndings = {".png", ".PNG", ".tif", ".tiff", ".TIF", ".TIFF"};
  return kEndings.count(path.extension().string()) != 0 && fs::is_regular_file(path);
}

std::vector<Picture> list_pictures(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw Error(ErrorCode::invalid, fmt::format("{}: no such folder", folder.string()));
  }
  std::vector<Picture> pictures;
  if (fs::exists(folder / "metadata.jsonl")) {
    for (const MetadataRow& row : read_metadata(folder)) pictures.push_back(from_row(folder, row));
    return pictures;
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!is_picture(entry.path())) continue;
    Picture picture;
    picture.file_name = entry.path().filename().string();
    picture.path = entry.path();
    pictures.push_back(picture);
  }
  std::sort(pictures.begin(), pictures.end(),
            [](const Picture& a, const Picture& b) { return a.file_name < b.file_name; });
  if (pictures.empty()) {
    throw Error(ErrorCode::invalid, fmt::format("{}: holds no PNG or TIFF", folder.string()));
  }
  return pictures;
}

AmplitudeImage amplitude_of(const Picture& picture, Gray gray) {
  if (!picture.stretch) return read_amplitude({picture.path}, picture.scale, gray);
  return picture.stretch->inverse(read_amplitude({picture.path}, std::nullopt, gray));
}

using Match = std::pair<const Picture*, const Picture*>;  // real, generated

std::vector<Match> match(const std::vector<Picture>& real, const std::vector<Picture>& generated) {
  std::map<std::string, const Picture*> by_name;
  for (const Picture& picture : real) by_name.emplace(picture.file_name, &picture);
  std::vector<Match> matches;
  std::string unknown;
  for (const Picture& picture : generated) {
    const auto found = by_name.find(picture.file_name);
    if (found == by_name.end()) {
      unknown = picture.file_name;
    } else {
      matches.emplace_back(found->second, &picture);
    }
  }
  if (unknown.empty()) return matches;
  if (!matches.empty()) {
    throw Error(ErrorCode::invalid,
                fmt::format("generated picture {} has no real one of that name, although {} others "
                            "have; pair all by name, or none (then by order)",
                            unknown, matches.size()));
  }
  if (real.size() != generated.size()) {
    throw Error(ErrorCode::invalid,
                fmt::format("no name in common, and {} real for {} generated pictures: pairing by "
                            "order needs equal numbers",
                            real.size(), generated.size()));
  }
  for (std::size_t i = 0; i < real.size(); ++i) matches.emplace_back(&real[i], &generated[i]);
  return matches;
}

std::string digest_of(const std::vector<Match>& matches) {
  Sha256 digest;
  for (const auto& [real, generated] : matches) {
    const json row = {real->file_name, real->caption, real->label,
                      real->scale ? json(*real->scale) : json(nullptr), sha256_file(real->path)};
    digest.update(row.dump() + "\n");
  }
  return digest.hex();
}

// Bits of a stored integer sample; 0: floating.
int stored_bits(const Picture& picture) {
  const PictureFile file{picture.path};
  const ImageInfo info = read_image_info(file.read(), file.name());
  return info.floating ? 0 : info.bits;
}

// The fewer bits, where 0 is the most there is.
int coarser(int a, int b) { return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b); }

struct Depths {
  int real = 0, generated = 0;
};

void warn_of_bits(const std::vector<Depths>& depths, const json& protocol,
                  std::vector<std::string>& warnings) {
  Depths side;
  for (const Depths& pair : depths) {
    side.real = coarser(side.real, pair.real);
    side.generated = coarser(side.generated, pair.generated);
  }
  const int coarse = coarser(side.real, side.generated);
  if (side.real == side.generated || protocol.value("bits", json()) == coarse) return;
  const auto name = [](int bits) { return bits == 0 ? "float" : std::to_string(bits) + "-bit"; };
  warnings.push_back(fmt::format(
      "real pictures are {}, generated ones {}: bins that {} bits cannot reach count as "
      "a difference; judge by a protocol with bits: {}",
      name(side.real), name(side.generated), coarse, coarse));
}

}  // namespace

EvaluationInput load_folder_pairs(const fs::path& real, const fs::path& generated,
                                  const json& protocol, int threads) {
  check_protocol(protocol);
  const std::vector<Picture> real_pictures = list_pictures(real);
  const std::vector<Picture> generated_pictures = list_pictures(generated);
  const std::vector<Match> matches = match(real_pictures, generated_pictures);
  const json gray_value = protocol.value("gray", json("mean"));
  const Gray gray =
      parse_gray(gray_value.is_string() ? gray_value.get<std::string>() : gray_value.dump());
  EvaluationInput input;
  input.threads = threads;
  input.pairs.resize(matches.size());
  std::vector<Depths> depths(matches.size());
  in_parallel(matches.size(), threads, [&](std::size_t i) {
    const auto& [real_picture, generated_picture] = matches[i];
    input.pairs[i] = {real_picture->file_name, real_picture->label, generated_picture->seed,
                      amplitude_of(*real_picture, gray), amplitude_of(*generated_picture, gray)};
    depths[i] = {stored_bits(*real_picture), stored_bits(*generated_picture)};
  });
  std::vector<const AmplitudeImage*> images;
  for (const EvaluationPair& pair : input.pairs) images.push_back(&pair.real);
  warn_of_bits(depths, protocol, input.warnings);
  input.stretch = protocol_stretch(protocol, images);
  input.protocol = protocol;
  input.protocol["hash"] =
      protocol_hash(protocol, digest_of(matches), input.pairs.front().real.height);
  return input;
}

}  // namespace sarsweep::trainer
