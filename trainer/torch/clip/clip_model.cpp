#include "trainer/torch/clip/clip_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "trainer/torch/model/initial_weights.h"

namespace sarsweep::trainer {
namespace {

constexpr double kFullScale = 255;
constexpr double kSmallestNorm = 1e-12;  // a zero row stays zero

at::Tensor unit_rows(const at::Tensor& rows) {
  const at::Tensor wide = rows.to(at::kFloat);
  const at::Tensor norms = at::linalg_vector_norm(wide, 2, {1}, /*keepdim=*/true);
  return wide / norms.clamp_min(kSmallestNorm);
}

// [N,S,S] u8 -> [N,3,S,S] fp32.
at::Tensor normalised(const at::Tensor& codes, const ClipNormalisation& normalisation) {
  const at::Tensor grey = codes.to(at::kFloat) / kFullScale;
  std::vector<at::Tensor> channels;
  for (std::size_t c = 0; c < normalisation.mean.size(); ++c) {
    channels.push_back((grey - normalisation.mean[c]) / normalisation.std[c]);
  }
  return at::stack(channels, 1);
}

void append(NamedTensors& all, const Component& component) {
  all.insert(all.end(), component.parameters().begin(), component.parameters().end());
}

}  // namespace

ClipModel empty_clip(const ClipConfig& config, Tokenizer tokenizer) {
  if (tokenizer.vocabulary_size() > config.text.vocab_size) {
    throw Error(ErrorCode::invalid,
                fmt::format("the tokenizer of the CLIP model knows {} tokens, its text tower "
                            "embeds {}",
                            tokenizer.vocabulary_size(), config.text.vocab_size));
  }
  return {config, ClipText(config.text), ClipVision(config.vision),
          at::full({}, config.initial_logit_scale, at::kFloat), std::move(tokenizer)};
}

ClipModel init_clip(const ClipConfig& config, std::uint64_t seed,
                    const std::filesystem::path& vocabulary_gz) {
  ClipModel model = empty_clip(config, Tokenizer::from_open_clip(vocabulary_gz, "<|endoftext|>"));
  draw_initial_weights(model.text, "clip_text", seed);
  draw_initial_weights(model.vision, "clip_vision", seed);
  return model;
}

NamedTensors clip_tensors(const ClipModel& model) {
  NamedTensors all = {{"logit_scale", model.logit_scale}};
  append(all, model.text);
  append(all, model.vision);
  return all;
}

at::Device device_of(const ClipModel& model) { return model.logit_scale.device(); }

void move_clip(ClipModel& model, at::Device device) {
  const c10::NoGradGuard no_grad;
  model.text.to(device, at::kFloat);
  model.vision.to(device, at::kFloat);
  model.logit_scale.set_data(model.logit_scale.to(device));
}

at::Tensor clip_codes(const std::vector<EightBitImage>& squares) {
  const std::int64_t side = squares.front().height;
  at::Tensor codes = at::empty({static_cast<std::int64_t>(squares.size()), side, side}, at::kByte);
  auto* out = codes.mutable_data_ptr<std::uint8_t>();
  for (const EightBitImage& square : squares) {
    out = std::copy(square.codes.begin(), square.codes.end(), out);
  }
  return codes;
}

at::Tensor clip_ids(const ClipModel& model, const std::vector<std::string>& captions) {
  const ClipTextConfig& config = model.config.text;
  const int length = config.max_position_embeddings;
  at::Tensor ids = at::empty({static_cast<std::int64_t>(captions.size()), length}, at::kLong);
  auto* row = ids.mutable_data_ptr<std::int64_t>();
  std::int64_t longest = 1;
  for (const std::string& caption : captions) {
    const std::vector<std::int64_t> encoded = model.tokenizer.encode(caption, length);
    const auto end = std::find(encoded.begin(), encoded.end(), config.eos_token_id);
    longest =
        std::max<std::int64_t>(longest, std::min<std::int64_t>(length, end - encoded.begin() + 1));
    row = std::copy(encoded.begin(), encoded.end(), row);
  }
  return ids.narrow(1, 0, longest).contiguous();
}

at::Tensor embed_pictures(const ClipModel& model, const at::Tensor& codes, at::ScalarType type) {
  const at::Tensor pixels = normalised(codes.to(device_of(model)), model.config.normalisation);
  return unit_rows(model.vision.forward(pixels, type));
}

at::Tensor embed_captions(const ClipModel& model, const at::Tensor& ids, at::ScalarType type) {
  return unit_rows(model.text.forward(ids.to(device_of(model)), type).pooled);
}

}  // namespace sarsweep::trainer
