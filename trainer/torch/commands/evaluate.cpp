#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "schema/config/shipped_protocols.h"
#include "trainer/core/data/image_folder.h"
#include "trainer/core/metrics/folder_pairs.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/files/model_source.h"
#include "trainer/torch/jobs/judge.h"
#include "trainer/torch/jobs/pictures.h"

namespace sarsweep::trainer {
namespace {

struct Options {
  std::filesystem::path real, generated, protocol = "sar-v1", model, clip, out;
};

// A shipped protocol's name, or a file.
nlohmann::json read_protocol(const std::filesystem::path& file) {
  const auto shipped = config::shipped_protocols().find(file.string());
  if (shipped != config::shipped_protocols().end()) {
    nlohmann::json protocol = shipped->second;
    protocol["name"] = shipped->first;
    return protocol;
  }
  nlohmann::json protocol = parse_json(read_file(file), file.string());
  if (!protocol.is_object()) {
    throw Error(ErrorCode::invalid, fmt::format("{}: a protocol is a JSON object", file.string()));
  }
  return protocol;
}

void require_place(const std::filesystem::path& out) {
  const std::filesystem::path folder = std::filesystem::absolute(out).parent_path();
  if (std::filesystem::is_directory(folder) && !std::filesystem::is_directory(out)) return;
  throw Error(ErrorCode::invalid,
              fmt::format("--out {}: not a file in a folder that exists", out.string()));
}

// The real pictures through the model's autoencoder, one after the other since sizes may differ.
void add_vae_pass(EvaluationInput& input, const Autoencoder& vae) {
  if (!input.stretch.invertible()) {
    throw Error(ErrorCode::invalid,
                "--model needs a protocol whose stretch can be undone: one of dataset scope or a "
                "window {lo, hi}");
  }
  const int edge = 1 << (vae.config().block_out_channels.size() - 1);
  for (const EvaluationPair& pair : input.pairs) {
    if (pair.real.height % edge != 0 || pair.real.width % edge != 0) {
      throw Error(ErrorCode::invalid,
                  fmt::format("{}: {}x{} pixels; the model's VAE takes multiples of {}",
                              pair.file_name, pair.real.height, pair.real.width, edge));
    }
    for (const AmplitudeImage& passed : reconstruct(vae, {input.stretch.forward(pair.real)})) {
      input.vae_pass.push_back(input.stretch.inverse(passed));
    }
  }
}

// Of each pair, by the column of the protocol.
std::vector<std::string> captions_of(const std::filesystem::path& real,
                                     const EvaluationInput& input) {
  const std::string column = input.protocol.value("caption_column", "text");
  std::map<std::string, std::string> known;
  if (std::filesystem::exists(real / "metadata.jsonl")) {
    for (const MetadataRow& row : read_metadata(real)) {
      const auto name = text_of(row, "file_name"), caption = text_of(row, column);
      if (name && caption) known.emplace(*name, *caption);
    }
  }
  std::vector<std::string> captions;
  for (const EvaluationPair& pair : input.pairs) {
    const auto found = known.find(pair.file_name);
    if (found == known.end()) {
      throw Error(
          ErrorCode::invalid,
          fmt::format("--clip ranks captions: {} has none for {}; put it under \"{}\" in the "
                      "folder's metadata.jsonl",
                      real.string(), pair.file_name, column));
    }
    captions.push_back(found->second);
  }
  return captions;
}

void run_evaluate(const Options& options) {
  require_place(options.out);
  nlohmann::json protocol = read_protocol(options.protocol);
  std::optional<ClipSource> judge;
  if (!options.clip.empty()) {
    judge = load_clip(options.clip);
    protocol["clip"] = judge->digest;
  }
  EvaluationInput input =
      load_folder_pairs(options.real, options.generated, protocol, at::get_num_threads());
  if (judge) input.clip = judge_pairs(*judge, input, captions_of(options.real, input));
  if (!options.model.empty()) add_vae_pass(input, load_model(options.model).pipeline.vae);
  const nlohmann::json result = evaluate(input);
  write_file_atomically(options.out, result.dump(1) + "\n");
  for (const nlohmann::json& warning : result["warnings"]) {
    std::cerr << "warning: " << warning.get<std::string>() << '\n';
  }
  std::cout << fmt::format("n {}  kl_pooled {} (floor {})  glcm_distance {} (floor {})  {}\n",
                           result["n"].dump(), result["kl_pooled"].dump(),
                           result["floor"]["kl_pooled"].dump(), result["glcm_distance"].dump(),
                           result["floor"]["glcm_distance"].dump(), options.out.string());
}

}  // namespace

void add_evaluate(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("evaluate", "Measure generated pictures against real ones.");
  command->add_option("--real", options->real, "folder of real pictures")->required();
  command->add_option("--generated", options->generated, "folder of generated pictures")
      ->required();
  command->add_option("--protocol", options->protocol,
                      "sar-v1 (the default), mini-v1, or a resolved protocol, JSON");
  command->add_option(
      "--model", options->model,
      "a diffusers folder, or a checkpoint of a run: also measure the real pictures "
      "passed through its VAE");
  command->add_option("--clip", options->clip,
                      "a CLIP model of transformers or open_clip, or a checkpoint of a clip run: "
                      "also rank the captions of the real pictures");
  command->add_option("--out", options->out, "result document, JSON")->required();
  command->callback([options, &exit_code] {
    run_evaluate(*options);
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
