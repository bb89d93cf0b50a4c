#include <fmt/format.h>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/weight_files.h"
#include "trainer/torch/model/initial_weights.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

nlohmann::json read_document(const fs::path& file) {
  return parse_json(read_file(file), file.string());
}

void require_vocabulary(const ClipText& encoder, const Tokenizer& tokenizer, const char* name) {
  if (tokenizer.vocabulary_size() <= encoder.config().vocab_size) return;
  throw Error(ErrorCode::invalid,
              fmt::format("{}: the tokenizer knows {} tokens, the encoder embeds {}", name,
                          tokenizer.vocabulary_size(), encoder.config().vocab_size));
}

void require_equal(const char* what, std::int64_t have, std::int64_t want) {
  if (have == want) return;
  throw Error(
      ErrorCode::invalid,
      fmt::format("the parts of the pipeline do not fit: {} is {}, must be {}", what, have, want));
}

void require_fit(const Pipeline& pipeline) {
  const ClipTextConfig& text = pipeline.text_encoder.config();
  const ClipTextConfig& text_2 = pipeline.text_encoder_2.config();
  const UNetConfig& unet = pipeline.unet.config();
  require_vocabulary(pipeline.text_encoder, pipeline.tokenizer, "text_encoder");
  require_vocabulary(pipeline.text_encoder_2, pipeline.tokenizer_2, "text_encoder_2");
  require_equal("the UNet's cross_attention_dim", unet.cross_attention_dim,
                std::int64_t{text.hidden_size} + text_2.hidden_size);
  constexpr std::int64_t kSizeNumbers = 6;
  require_equal("the UNet's projection_class_embeddings_input_dim",
                unet.projection_class_embeddings_input_dim,
                kSizeNumbers * unet.addition_time_embed_dim + text_2.projection_dim);
  static_cast<void>(zeros_for_empty_prompt(pipeline));  // throws if it cannot be told
  require_equal("the UNet's in_channels", unet.in_channels, pipeline.vae.config().latent_channels);
}

}  // namespace

nlohmann::json read_configs(const fs::path& folder) {
  nlohmann::json configs = {
      {"model_index", read_document(folder / "model_index.json")},
      {"scheduler", read_document(folder / "scheduler" / "scheduler_config.json")}};
  for (const char* part : {"unet", "vae", "text_encoder", "text_encoder_2"}) {
    configs[part] = read_document(folder / part / "config.json");
  }
  return configs;
}

PipelineDocuments read_documents(const fs::path& folder) {
  return {read_configs(folder), Tokenizer::from_folder(folder / "tokenizer"),
          Tokenizer::from_folder(folder / "tokenizer_2")};
}

PipelineDocuments make_documents(nlohmann::json configs, const fs::path& vocabulary_gz) {
  return {std::move(configs), Tokenizer::from_open_clip(vocabulary_gz, "<|endoftext|>"),
          Tokenizer::from_open_clip(vocabulary_gz, "!")};
}

Pipeline empty_pipeline(PipelineDocuments documents) {
  const nlohmann::json& configs = documents.configs;
  Pipeline pipeline = {
      .unet = UNet(parse_unet_config(configs.at("unet"))),
      .vae = Autoencoder(parse_vae_config(configs.at("vae"))),
      .text_encoder = ClipText(parse_clip_text_config(configs.at("text_encoder"), false)),
      .text_encoder_2 = ClipText(parse_clip_text_config(configs.at("text_encoder_2"), true)),
      .tokenizer = std::move(documents.tokenizer),
      .tokenizer_2 = std::move(documents.tokenizer_2),
      .scheduler = parse_scheduler_config(configs.at("scheduler")),
      .model_index = configs.at("model_index"),
      .learned_tokens = {}};
  require_fit(pipeline);
  return pipeline;
}

Pipeline load_pipeline(const fs::path& folder) {
  Pipeline pipeline = empty_pipeline(read_documents(folder));
  load_weights(pipeline.unet, WeightKind::unet, folder / "unet");
  load_weights(pipeline.vae, WeightKind::vae, folder / "vae");
  load_weights(pipeline.text_encoder, WeightKind::text_encoder, folder / "text_encoder");
  load_weights(pipeline.text_encoder_2, WeightKind::text_encoder, folder / "text_encoder_2");
  return pipeline;
}

Pipeline init_pipeline(const nlohmann::json& configs, std::uint64_t seed,
                       const fs::path& vocabulary_gz) {
  Pipeline pipeline = empty_pipeline(make_documents(configs, vocabulary_gz));
  draw_initial_weights(pipeline.unet, "unet", seed);
  draw_initial_weights(pipeline.vae, "vae", seed);
  draw_initial_weights(pipeline.text_encoder, "text_encoder", seed);
  draw_initial_weights(pipeline.text_encoder_2, "text_encoder_2", seed);
  return pipeline;
}

}  // namespace sarsweep::trainer
