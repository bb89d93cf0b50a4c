#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/torch/model/pipeline.h"

// Tokens added to the vocabulary of both tokenizers, with rows of their own in place of what the
// embedding tables hold (or do not hold) for them: training a token touches nothing else. Not
// thread-safe.
namespace sarsweep::trainer {

// Where the rows of a new token start. mean: the mean of the table. random: normal with the
// deviation of the table, from RandomStream(seed, "token_init", row). word: the mean of the rows of
// what is left of the text without punctuation ("<SAR>": "sar").
enum class TokenInit { mean, random, word };

// Adds `texts`. A token that already has rows keeps them; one that the vocabulary already knows
// starts from its row in the table. Throws Error(invalid) for init word where no word is left.
void add_learned_tokens(Pipeline& pipeline, const std::vector<std::string>& texts, TokenInit init,
                        std::uint64_t seed);

// Gives `texts` the rows clip_l [n,d1] and clip_g [n,d2], of text encoder 1 and 2, in place of any
// learned tokens before. Throws Error(invalid) on other shapes.
void set_learned_tokens(Pipeline& pipeline, const std::vector<std::string>& texts,
                        const at::Tensor& clip_l, const at::Tensor& clip_g);

// The live rows: "clip_l", "clip_g" (the names of embedding files); empty without tokens.
NamedTensors learned_rows(const Pipeline& pipeline);

// Writes the rows into the embedding tables, which grow where they must: what a pipeline folder
// needs. Afterwards no token has rows of its own.
void merge_learned_tokens(Pipeline& pipeline);

}  // namespace sarsweep::trainer
