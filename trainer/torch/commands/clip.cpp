#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "trainer/core/data/image_folder.h"
#include "trainer/torch/clip/clip_files.h"
#include "trainer/torch/clip/clip_judge.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct ClipOptions {
  std::string model, images, captions, out, stretch = "mean3sigma", output = "table";
};

struct Picture {
  std::string file_name;
  std::optional<std::string> caption;
  PictureFile file;
  std::optional<double> scale;
  std::optional<Stretch> stretched_by;
};

Picture of_row(const ListedPicture& listed) {
  Picture picture{listed.file_name, text_of(listed.row, "text"), listed.file, {}, {}};
  const json& values = listed.row.values;
  if (values.contains("scale")) picture.scale = scale_of(listed.row, "scale");
  if (values.contains("stretch")) picture.stretched_by = Stretch::from_json(values["stretch"]);
  return picture;
}

// By metadata.jsonl where there is one, else every picture of the folder in order of name.
std::vector<Picture> pictures_of(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw Error(ErrorCode::invalid, fmt::format("--images {}: no such folder", folder.string()));
  }
  std::vector<Picture> pictures;
  if (fs::exists(folder / "metadata.jsonl")) {
    for (const ListedPicture& listed : list_image_folder(folder)) {
      pictures.push_back(of_row(listed));
    }
  } else {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (!entry.is_regular_file() || !is_picture_name(entry.path())) continue;
      pictures.push_back({entry.path().filename().string(), {}, {entry.path()}, {}, {}});
    }
    std::sort(pictures.begin(), pictures.end(),
              [](const Picture& a, const Picture& b) { return a.file_name < b.file_name; });
  }
  if (pictures.empty()) {
    throw Error(ErrorCode::invalid, fmt::format("--images {}: holds no picture", folder.string()));
  }
  return pictures;
}

AmplitudeImage amplitude_of(const Picture& picture) {
  if (!picture.stretched_by) return read_amplitude(picture.file, picture.scale, Gray::mean);
  return picture.stretched_by->inverse(read_amplitude(picture.file, std::nullopt, Gray::mean));
}

// Measured on all pictures, which are read once for it.
Stretch stretch_of(const std::string& name, const std::vector<Picture>& pictures) {
  AmplitudeStatistics statistics;
  if (needs_statistics(name, "dataset")) {
    for (const Picture& picture : pictures) statistics.add(amplitude_of(picture));
  }
  return make_stretch(name, "dataset", statistics.mean(), statistics.sigma());
}

// The different captions of the pictures, or the lines of a file.
std::vector<std::string> candidates_of(const ClipOptions& options,
                                       const std::vector<Picture>& pictures) {
  std::vector<std::string> captions;
  if (options.captions.empty()) {
    for (const Picture& picture : pictures) {
      if (picture.caption) captions.push_back(*picture.caption);
    }
  } else {
    std::istringstream lines(read_file(options.captions));
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) captions.push_back(line);
    }
  }
  captions = distinct_captions(captions).texts;
  if (!captions.empty()) return captions;
  throw Error(ErrorCode::invalid,
              "there is no caption: the folder's metadata.jsonl has no \"text\"; name a file with "
              "one caption a line by --captions");
}

at::Tensor matrix_of(const EmbeddingRows& rows) {
  at::Tensor matrix = at::empty(
      {static_cast<std::int64_t>(rows.size()), static_cast<std::int64_t>(rows.front().size())},
      at::kFloat);
  float* out = matrix.mutable_data_ptr<float>();
  for (const std::vector<float>& row : rows) out = std::copy(row.begin(), row.end(), out);
  return matrix;
}

// 1, one more for each caption that is nearer than the own one, a half for one as near.
double rank_of(const float* cosines, std::size_t count, std::size_t own) {
  double rank = 1;
  for (std::size_t i = 0; i < count; ++i) {
    if (i != own) rank += cosines[i] > cosines[own] ? 1 : cosines[i] == cosines[own] ? 0.5 : 0;
  }
  return rank;
}

json row_of(const Picture& picture, const std::vector<std::string>& captions,
            const float* cosines) {
  const std::size_t count = captions.size();
  const auto nearest =
      static_cast<std::size_t>(std::max_element(cosines, cosines + count) - cosines);
  json row = {{"file_name", picture.file_name},
              {"caption", nullptr},
              {"cosine", nullptr},
              {"rank", nullptr},
              {"nearest", captions[nearest]},
              {"nearest_cosine", cosines[nearest]}};
  const auto own = picture.caption ? std::find(captions.begin(), captions.end(), *picture.caption)
                                   : captions.end();
  if (own == captions.end()) return row;
  const auto place = static_cast<std::size_t>(own - captions.begin());
  row["caption"] = *own;
  row["cosine"] = cosines[place];
  row["rank"] = rank_of(cosines, count, place);
  return row;
}

std::string table_of(const json& document) {
  std::string text =
      fmt::format("{:<28} {:>7} {:>6}  {}\n", "picture", "cosine", "rank", "nearest caption");
  const auto shown = [](const json& value, const char* form) {
    return value.is_null() ? std::string("-")
                           : fmt::format(fmt::runtime(form), value.get<double>());
  };
  for (const json& row : document.at("rows")) {
    text += fmt::format("{:<28} {:>7} {:>6}  {}\n", row["file_name"].get<std::string>(),
                        shown(row["cosine"], "{:.4f}"), shown(row["rank"], "{:.1f}"),
                        row["nearest"].get<std::string>());
  }
  return text + fmt::format("{} pictures, {} captions, mean rank {}\n", document["rows"].size(),
                            document["captions"].size(), shown(document["mean_rank"], "{:.3f}"));
}

json mean_rank(const json& rows) {
  double sum = 0;
  int count = 0;
  for (const json& row : rows) {
    if (row["rank"].is_null()) continue;
    sum += row["rank"].get<double>();
    ++count;
  }
  return count > 0 ? json(sum / count) : json(nullptr);
}

void run_clip(const ClipOptions& options) {
  const std::vector<Picture> pictures = pictures_of(options.images);
  const std::vector<std::string> captions = candidates_of(options, pictures);
  const ClipSource source = load_clip(options.model);
  const Stretch stretch = stretch_of(options.stretch, pictures);
  const at::Tensor of_pictures =
      matrix_of(embed_stretched(source.model, pictures.size(), [&](std::size_t i) {
        return stretch.forward(amplitude_of(pictures[i]));
      }));
  const at::Tensor of_captions = matrix_of(embed_texts(source.model, captions));
  const at::Tensor cosine = at::matmul(of_pictures, of_captions.t()).contiguous();
  json document = {{"clip", source.digest},
                   {"stretch", stretch.to_json()},
                   {"captions", captions},
                   {"rows", json::array()}};
  json names = json::array();
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    names.push_back(pictures[i].file_name);
    document["rows"].push_back(
        row_of(pictures[i], captions, cosine.const_data_ptr<float>() + i * captions.size()));
  }
  document["mean_rank"] = mean_rank(document["rows"]);
  save_tensors(
      options.out, {{"pictures", of_pictures}, {"captions", of_captions}, {"cosine", cosine}},
      {{"clip", source.digest}, {"file_names", names.dump()}, {"captions", json(captions).dump()}});
  fmt::print("{}", options.output == "json" ? document.dump(1) + "\n" : table_of(document));
}

}  // namespace

void add_clip(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<ClipOptions>();
  CLI::App* command = app.add_subcommand(
      "clip", "Looks at pictures and captions with a CLIP model: embeddings and cosines.");
  command
      ->add_option("--model", options->model,
                   "a CLIP model of transformers or open_clip, or a checkpoint of a clip run")
      ->required();
  command->add_option("--images", options->images, "a folder of pictures")->required();
  command->add_option("--captions", options->captions,
                      "a text file, one caption a line; by default those of metadata.jsonl");
  command
      ->add_option("--out", options->out,
                   "safetensors: pictures [N,p], captions [M,p], cosine [N,M]")
      ->required();
  command->add_option("--stretch", options->stretch,
                      "amplitude to [0,1], measured on these pictures (default: mean3sigma)");
  command->add_option("-o,--output", options->output, "table or json")
      ->check(CLI::IsMember({"table", "json"}));
  command->callback([options, &exit_code] {
    run_clip(*options);
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
