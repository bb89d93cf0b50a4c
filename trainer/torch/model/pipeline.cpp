#include "trainer/torch/model/pipeline.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

constexpr const char* kForceZeros = "force_zeros_for_empty_prompt";

at::Tensor ids_of(const Tokenizer& tokenizer, const ClipText& encoder,
                  const std::vector<std::string>& prompts) {
  const int length = encoder.config().max_position_embeddings;
  at::Tensor ids = at::empty({static_cast<std::int64_t>(prompts.size()), length}, at::kLong);
  auto* row = ids.mutable_data_ptr<std::int64_t>();
  for (const std::string& prompt : prompts) {
    const std::vector<std::int64_t> encoded = tokenizer.encode(prompt, length);
    row = std::copy(encoded.begin(), encoded.end(), row);
  }
  return ids;
}

at::Device device_of(const ClipText& encoder) {
  return encoder.parameters().front().second.device();
}

}  // namespace

bool zeros_for_empty_prompt(const Pipeline& pipeline) {
  const nlohmann::json& index = pipeline.model_index;
  if (!index.is_object()) throw Error(ErrorCode::invalid, "model_index.json holds no object");
  const auto said = index.find(kForceZeros);
  if (said == index.end()) return true;
  if (said->is_boolean()) return said->get<bool>();
  throw Error(ErrorCode::invalid, fmt::format("model_index.json: {} is {}; use true or false",
                                              kForceZeros, said->dump()));
}

void set_zeros_for_empty_prompt(Pipeline& pipeline, bool zeros) {
  pipeline.model_index[kForceZeros] = zeros;
}

Conditioning encode_prompts(const Pipeline& pipeline, const std::vector<std::string>& prompts) {
  const at::Tensor ids = ids_of(pipeline.tokenizer, pipeline.text_encoder, prompts);
  const at::Tensor ids_2 = ids_of(pipeline.tokenizer_2, pipeline.text_encoder_2, prompts);
  return encode_ids(pipeline, ids.to(device_of(pipeline.text_encoder)),
                    ids_2.to(device_of(pipeline.text_encoder_2)));
}

Conditioning encode_ids(const Pipeline& pipeline, const at::Tensor& ids, const at::Tensor& ids_2,
                        at::ScalarType type) {
  const TextFeatures first = pipeline.text_encoder.forward(ids, type);
  const TextFeatures second = pipeline.text_encoder_2.forward(ids_2, type);
  return {at::cat({first.hidden, second.hidden}, -1), second.pooled};
}

}  // namespace sarsweep::trainer
