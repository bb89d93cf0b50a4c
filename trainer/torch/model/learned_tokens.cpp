#include "trainer/torch/model/learned_tokens.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "schema/base/philox.h"

namespace sarsweep::trainer {
namespace {

// One text encoder and its tokenizer.
struct Side {
  Tokenizer& tokenizer;
  ClipText& encoder;
  at::Tensor table() const {
    return encoder.parameter("text_model.embeddings.token_embedding.weight");
  }
};

// What is left of a token's text: "<SAR>" -> "SAR". Letters of other scripts stay.
std::string word_of(const std::string& text) {
  std::string word;
  for (const char c : text) {
    if (!std::ispunct(static_cast<unsigned char>(c))) word += c;
  }
  return word;
}

at::Tensor random_row(const at::Tensor& table, std::uint64_t seed, std::size_t index) {
  at::Tensor row = at::empty({table.size(1)}, at::kFloat);
  RandomStream(seed, "token_init", index)
      .fill_normal(row.mutable_data_ptr<float>(), static_cast<std::uint64_t>(row.numel()));
  return row.to(table.device()) * table.to(at::kDouble).std().to(at::kFloat);
}

at::Tensor word_row(const Side& side, const std::string& text) {
  const std::vector<std::int64_t> pieces = side.tokenizer.tokenize(word_of(text));
  if (pieces.empty()) {
    throw Error(ErrorCode::invalid,
                fmt::format("token.init is word, but '{}' is no word without its punctuation; use "
                            "mean or random",
                            text),
                "token.init");
  }
  const at::Tensor table = side.table();
  return table.index_select(0, at::tensor(pieces, at::kLong).to(table.device())).mean(0);
}

at::Tensor start_row(const Side& side, const std::string& text, TokenInit init, std::uint64_t seed,
                     std::size_t index) {
  switch (init) {
    case TokenInit::mean: return side.table().to(at::kDouble).mean(0).to(at::kFloat);
    case TokenInit::random: return random_row(side.table(), seed, index);
    case TokenInit::word: return word_row(side, text);
  }
  return {};
}

// The rows of `side` with one for `text` behind them.
at::Tensor appended_row(const Side& side, const std::string& text, TokenInit init,
                        std::uint64_t seed) {
  const at::Tensor& rows = side.encoder.token_rows();
  const std::size_t index = rows.defined() ? static_cast<std::size_t>(rows.size(0)) : 0;
  const std::int64_t known = side.tokenizer.vocabulary_size();
  const at::Tensor first = start_row(side, text, init, seed, index);
  const std::int64_t id = side.tokenizer.add_token(text);
  const at::Tensor row = id < known ? side.table()[id].to(at::kFloat) : first;
  return rows.defined() ? at::cat({rows, row.unsqueeze(0)}) : row.unsqueeze(0).clone();
}

void set_rows(const Side& side, const std::vector<std::string>& texts, const at::Tensor& rows,
              const char* name) {
  const std::vector<std::int64_t> shape = {static_cast<std::int64_t>(texts.size()),
                                           side.encoder.config().hidden_size};
  if (rows.sizes() != shape) {
    throw Error(
        ErrorCode::invalid,
        fmt::format("the rows {} of {} learned tokens have shape [{}], this model needs "
                    "[{}]",
                    name, texts.size(), fmt::join(rows.sizes(), ", "), fmt::join(shape, ", ")));
  }
  std::vector<std::int64_t> ids;
  for (const std::string& text : texts) ids.push_back(side.tokenizer.add_token(text));
  const at::Tensor own = rows.detach().to(side.table().device(), at::kFloat).clone();
  side.encoder.set_token_rows(std::move(ids), own);
}

void merge_side(const Side& side) {
  if (!side.encoder.token_rows().defined()) return;
  at::Tensor table = side.table();
  const std::int64_t missing = side.tokenizer.vocabulary_size() - table.size(0);
  at::Tensor grown = table.detach().clone();
  if (missing > 0) grown = at::cat({grown, grown.narrow(0, 0, missing)});
  const std::vector<std::int64_t>& ids = side.encoder.token_ids();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    grown[ids[i]].copy_(side.encoder.token_rows()[static_cast<std::int64_t>(i)]);
  }
  side.encoder.replace_table(grown);
}

}  // namespace

void add_learned_tokens(Pipeline& pipeline, const std::vector<std::string>& texts, TokenInit init,
                        std::uint64_t seed) {
  const c10::NoGradGuard no_grad;
  for (const std::string& text : texts) {
    std::vector<std::string>& known = pipeline.learned_tokens;
    if (std::find(known.begin(), known.end(), text) != known.end()) continue;
    const at::Tensor first =
        appended_row({pipeline.tokenizer, pipeline.text_encoder}, text, init, seed);
    const at::Tensor second =
        appended_row({pipeline.tokenizer_2, pipeline.text_encoder_2}, text, init, seed);
    std::vector<std::string> all = known;
    all.push_back(text);
    set_learned_tokens(pipeline, all, first, second);
  }
}

void set_learned_tokens(Pipeline& pipeline, const std::vector<std::string>& texts,
                        const at::Tensor& clip_l, const at::Tensor& clip_g) {
  set_rows({pipeline.tokenizer, pipeline.text_encoder}, texts, clip_l, "clip_l");
  set_rows({pipeline.tokenizer_2, pipeline.text_encoder_2}, texts, clip_g, "clip_g");
  pipeline.learned_tokens = texts;
}

NamedTensors learned_rows(const Pipeline& pipeline) {
  if (pipeline.learned_tokens.empty()) return {};
  return {{"clip_l", pipeline.text_encoder.token_rows()},
          {"clip_g", pipeline.text_encoder_2.token_rows()}};
}

void merge_learned_tokens(Pipeline& pipeline) {
  const c10::NoGradGuard no_grad;
  merge_side({pipeline.tokenizer, pipeline.text_encoder});
  merge_side({pipeline.tokenizer_2, pipeline.text_encoder_2});
  pipeline.learned_tokens.clear();
}

}  // namespace sarsweep::trainer
