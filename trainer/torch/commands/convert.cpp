#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "schema/base/error.h"
#include "trainer/torch/clip/clip_files.h"
#include "trainer/torch/commands/commands.h"
#include "trainer/torch/files/conversion.h"

namespace sarsweep::trainer {
namespace {

const std::map<std::string, FileFormat> kFormats = {{"folder", FileFormat::folder},
                                                    {"single-file", FileFormat::single_file},
                                                    {"kohya-lora", FileFormat::kohya_lora},
                                                    {"peft-lora", FileFormat::peft_lora}};

// transformers' folder is the one format that CLIP is written in.
void convert_clip(const Conversion& conversion, const ClipPlace& place) {
  if (conversion.format != FileFormat::folder) {
    throw Error(ErrorCode::invalid,
                fmt::format("{} is a CLIP model; it is converted to folder alone",
                            conversion.from.string()));
  }
  const DType dtype = conversion.dtype.value_or(stored_dtype(place));
  save_clip(load_clip(conversion.from).model, conversion.to, dtype);
}

struct ConvertOptions {
  std::string from, to, format, dtype, config, vocabulary;
};

}  // namespace

void add_convert(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<ConvertOptions>();
  CLI::App* command =
      app.add_subcommand("convert", "Writes a model or adapters in another file format.");
  command
      ->add_option("--from", options->from,
                   "a pipeline folder, a single file, a LoRA file, a CLIP model of transformers or "
                   "open_clip, or a checkpoint of a run")
      ->required();
  command->add_option("--to", options->to, "what to write; must not exist")->required();
  command->add_option("--format", options->format, "folder, single-file, kohya-lora or peft-lora")
      ->required()
      ->check(CLI::IsMember(kFormats));
  command->add_option("--dtype", options->dtype, "fp16, bf16 or fp32; as stored by default")
      ->check(CLI::IsMember(export_dtypes()));
  command->add_option("--config", options->config,
                      "a pipeline folder with the configuration that a file lacks; by default the "
                      "preset of the same shapes");
  command->add_option("--vocab", options->vocabulary, "open_clip's vocabulary for a new folder");
  command->callback([options, &exit_code] {
    Conversion conversion;
    conversion.from = options->from;
    conversion.to = options->to;
    conversion.format = kFormats.at(options->format);
    if (!options->dtype.empty()) conversion.dtype = export_dtypes().at(options->dtype);
    conversion.config = options->config;
    conversion.vocabulary = options->vocabulary;
    if (const auto place = find_clip(conversion.from)) {
      convert_clip(conversion, *place);
    } else {
      convert(conversion);
    }
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
