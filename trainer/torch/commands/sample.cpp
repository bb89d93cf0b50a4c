#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/commands/picture_orders.h"
#include "trainer/torch/files/lora_file.h"
#include "trainer/torch/files/model_source.h"
#include "trainer/torch/jobs/pictures.h"
#include "trainer/torch/sampling/sampler.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

struct SampleRequest {
  std::string model, out, tiles = "auto";
  std::vector<std::string> loras;
  OrderOptions orders;
  std::int64_t seed = 0;
  int size = 0, bits = 16;
  SampleOptions options;
};

void merge_all(Pipeline& pipeline) {
  for (Component* part :
       {static_cast<Component*>(&pipeline.unet), static_cast<Component*>(&pipeline.text_encoder),
        static_cast<Component*>(&pipeline.text_encoder_2)}) {
    merge_adapters(*part);
  }
}

// The model, a folder or a run's checkpoint, with its own adapters and those of the files merged.
Pipeline load_with_adapters(const SampleRequest& request) {
  Pipeline pipeline = std::move(load_model(request.model).pipeline);
  merge_all(pipeline);
  for (const std::string& file : request.loras) {
    load_lora(file, pipeline);
    merge_all(pipeline);
  }
  return pipeline;
}

// A folder that appears whole: written under another name beside it, removed if anything fails.
class NewFolder {
 public:
  // Throws Error(invalid) where `folder` exists and is not empty.
  explicit NewFolder(const fs::path& folder) : folder_(fs::absolute(folder).lexically_normal()) {
    if (!folder_.has_filename()) folder_ = folder_.parent_path();
    const bool usable =
        !fs::exists(folder_) || (fs::is_directory(folder_) && fs::is_empty(folder_));
    if (!usable) {
      throw Error(ErrorCode::invalid,
                  fmt::format("--out {}: exists and is no empty folder; name another one",
                              folder.string()));
    }
    draft_ = folder_;
    draft_ += ".tmp";
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;
  ~NewFolder() {
    std::error_code ignored;
    if (begun_) fs::remove_all(draft_, ignored);
  }

  const fs::path& begin() {
    fs::remove_all(draft_);
    fs::create_directories(draft_);
    begun_ = true;
    return draft_;
  }
  void publish() {
    fs::rename(draft_, folder_);
    begun_ = false;
  }

 private:
  fs::path folder_, draft_;
  bool begun_ = false;
};

nlohmann::json metadata_row(const SampleRequest& request, const std::string& file,
                            const PictureOrder& order, std::size_t item) {
  nlohmann::json row = {{"file_name", file},
                        {"text", order.prompt},
                        {"seed", request.seed},
                        {"item", item},
                        {"sampler", request.options.sampler},
                        {"steps", request.options.steps},
                        {"cfg", request.options.cfg},
                        {"negative", request.options.negative},
                        {"model", request.model},
                        {"lora", request.loras}};
  if (!order.begin.empty()) {
    row["init_image"] = order.begin.string();
    row["strength"] = request.options.strength;
  }
  return row;
}

Tiles tiles_named(const std::string& name) {
  if (name == "auto") return Tiles::automatic;
  return name == "always" ? Tiles::always : Tiles::never;
}

// The edges of the pictures: those of the ones they begin from, --size, or the model's own.
void settle_size(SampleRequest& request, const Pipeline& pipeline, PictureSize begins) {
  const auto levels = pipeline.vae.config().block_out_channels.size();
  const int own = pipeline.unet.config().sample_size << (levels - 1);
  const int edge = request.size != 0 ? request.size : own;
  request.options.height = begins.height != 0 ? begins.height : edge;
  request.options.width = begins.width != 0 ? begins.width : edge;
}

PictureRequest request_of(const SampleRequest& request, const PictureOrder& order,
                          std::size_t item) {
  PictureRequest picture{order.prompt, request.seed, static_cast<std::int64_t>(item), {}};
  if (!order.begin.empty()) picture.begin = pixels_of(read_begin(order.begin));
  return picture;
}

// Pictures are written batch by batch, so that a long list needs no more memory than a short one.
void sample(SampleRequest request) {
  NewFolder out(request.out);
  const std::vector<PictureOrder> orders = picture_orders(request.orders);
  const bool begins = !orders.front().begin.empty();
  const PictureSize begin_size = begins ? common_size(orders) : PictureSize{};
  const Pipeline pipeline = load_with_adapters(request);
  settle_size(request, pipeline, begin_size);
  request.options.tiles = tiles_named(request.tiles);
  const SampleOptions& options = request.options;
  check_sampling(pipeline, options, begins ? StartsFrom::picture : StartsFrom::noise);
  const fs::path folder = out.begin();
  std::string metadata;
  const auto batch = static_cast<std::size_t>(options.batch);
  for (std::size_t begin = 0; begin < orders.size(); begin += batch) {
    const std::size_t end = std::min(orders.size(), begin + batch);
    std::vector<PictureRequest> requests;
    for (std::size_t i = begin; i < end; ++i) {
      requests.push_back(request_of(request, orders[i], i));
    }
    const at::Tensor pictures = sample_images(pipeline, requests, options);
    for (std::size_t i = begin; i < end; ++i) {
      const std::string file = fmt::format("{:05}.png", i);
      write_png(folder / file, amplitude_of(pictures[static_cast<std::int64_t>(i - begin)]),
                request.bits);
      metadata += metadata_row(request, file, orders[i], i).dump() + "\n";
    }
    fmt::print("{} of {} pictures\n", end, orders.size());
  }
  write_file_atomically(folder / "metadata.jsonl", metadata);
  out.publish();
}

void add_inputs(CLI::App& command, SampleRequest& request) {
  OrderOptions& orders = request.orders;
  command
      .add_option("--model", request.model,
                  "a diffusers folder, a single file or a run's checkpoint")
      ->required();
  command.add_option("--lora", request.loras, "adapters to merge (PEFT or kohya files)");
  CLI::Option* prompt = command.add_option("--prompt", orders.prompt, "what to show");
  command.add_option("--prompts", orders.prompts_file, "a file, one prompt a line")
      ->excludes(prompt);
  CLI::Option* begin = command.add_option(
      "--init-image", orders.init_image,
      "begin from this picture, or from each of this folder, stretched to [0,1]; a folder's "
      "metadata.jsonl may hold the prompts (text)");
  command
      .add_option("--strength", request.options.strength,
                  "of --init-image: the share of the steps that are made, above 0 to 1")
      ->needs(begin)
      ->capture_default_str();
  command.add_option("--count", orders.count, "pictures of each prompt")
      ->check(CLI::Range(1, 1'000'000));
  command.add_option("--size", request.size, "edge in pixels; the model's own by default")
      ->check(CLI::Range(1, 1 << 14))
      ->excludes(begin);
}

void add_sampling(CLI::App& command, SampleOptions& options) {
  command.add_option("--steps", options.steps, "denoising steps")->capture_default_str();
  command.add_option("--cfg", options.cfg, "classifier-free guidance; 1 turns it off")
      ->capture_default_str();
  command.add_option("--sampler", options.sampler, "euler, ddim, dpmpp_2m or ddpm")
      ->check(CLI::IsMember({"euler", "ddim", "dpmpp_2m", "ddpm"}))
      ->capture_default_str();
  command.add_option("--negative", options.negative, "what not to show");
  command.add_option("--batch", options.batch, "pictures at once on a GPU")
      ->check(CLI::Range(1, 4096));
}

}  // namespace

void add_sample(CLI::App& app, int& exit_code) {
  const auto request = std::make_shared<SampleRequest>();
  CLI::App* command =
      app.add_subcommand("sample", "Make pictures from prompts, or from prompts and pictures.");
  add_inputs(*command, *request);
  add_sampling(*command, request->options);
  command->add_option("--seed", request->seed, "picture i is a function of (seed, i)");
  command
      ->add_option("--tiles", request->tiles,
                   "decode in overlapping tiles: auto (above 1536x1536 pixels), always or never")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str();
  command->add_option("--bits", request->bits, "of the PNG's samples")
      ->check(CLI::IsMember({8, 16}));
  command->add_option("--out", request->out, "new folder of the pictures and metadata.jsonl")
      ->required();
  command->callback([request, &exit_code] {
    sample(*request);
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
