#include "trainer/core/synthetic/synthetic_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"

namespace sarsweep::trainer::synthetic {
namespace {

namespace fs = std::filesystem;

void require_valid(const SetOptions& options) {
  const auto refuse = [](const std::string& message) { throw Error(ErrorCode::invalid, message); };
  if (options.per_label < 6 || options.per_label > 9999) {
    refuse(fmt::format("--per-label {} must be 6 to 9999: each split needs pictures of each label",
                       options.per_label));
  }
  if (options.size < 16 || options.size > 4096) {
    refuse(fmt::format("--size {} must be 16 to 4096 pixels", options.size));
  }
  if (fs::exists(options.folder) && !fs::is_directory(options.folder)) {
    refuse(fmt::format("--out {} is no folder", options.folder.string()));
  }
  for (const char* split : {"train", "val", "test"}) {
    if (fs::exists(options.folder / split / "metadata.jsonl")) {
      refuse(fmt::format("{} holds a data set already; remove it or choose another folder",
                         options.folder.string()));
    }
  }
}

std::string split_of(int index, const SplitSizes& sizes) {
  if (index < sizes.train) return "train";
  return index < sizes.train + sizes.val ? "val" : "test";
}

// Writes the picture and returns its line of metadata.jsonl.
std::string write_image(const SetOptions& options, const SceneKind& kind, int index,
                        const fs::path& folder) {
  SyntheticImage image =
      synthetic_image(kind, options.size, options.seed, static_cast<std::uint64_t>(index));
  const std::string name = fmt::format("{}-{:04}.png", kind.label, index);
  for (float& pixel : image.amplitude.pixels) {
    pixel = static_cast<float>(pixel / (kScale * 65535));
  }
  write_png(folder / name, image.amplitude, 16);
  const nlohmann::ordered_json row = {{"file_name", name},
                                      {"text", image.caption},
                                      {"label", kind.label},
                                      {"scale", kScale},
                                      {"pixel_spacing_m", kExtent / options.size},
                                      {"parameters", image.parameters},
                                      {"seed", options.seed},
                                      {"index", index}};
  return row.dump() + "\n";
}

}  // namespace

SyntheticImage synthetic_image(const SceneKind& kind, int size, std::uint64_t seed,
                               std::uint64_t index) {
  const std::string purpose = fmt::format("synthetic.{}", kind.label);
  Draws draws(seed, purpose, index);
  Scene scene = kind.draw(size, draws);
  ComplexImage field =
      observe(scene.reflectivity, RadarOptions{}, RandomStream(seed, purpose + ".speckle", index),
              RandomStream(seed, purpose + ".texture", index));
  AmplitudeImage amplitude = detected(field, size);
  return {std::move(amplitude), std::move(field), std::move(scene.caption),
          std::move(scene.parameters)};
}

SplitSizes split_sizes(int per_label) {
  const int tenth = (per_label + 5) / 10;
  const int held_out = std::max(tenth, per_label >= 100 ? 10 : 2);
  return {per_label - 2 * held_out, held_out, held_out};
}

void write_synthetic_set(const SetOptions& options, const std::function<void(int, int)>& progress) {
  require_valid(options);
  const SplitSizes sizes = split_sizes(options.per_label);
  std::map<std::string, std::string> metadata;
  for (const char* split : {"train", "val", "test"}) fs::create_directories(options.folder / split);
  const int total = options.per_label * static_cast<int>(scene_kinds().size());
  int done = 0;
  for (const SceneKind& kind : scene_kinds()) {
    for (int index = 0; index < options.per_label; ++index) {
      const std::string split = split_of(index, sizes);
      metadata[split] += write_image(options, kind, index, options.folder / split);
      progress(++done, total);
    }
  }
  for (const auto& [split, lines] : metadata) {
    write_file_atomically(options.folder / split / "metadata.jsonl", lines);
  }
}

}  // namespace sarsweep::trainer::synthetic
