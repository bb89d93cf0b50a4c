#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/core/text/byte_pairs.h"

namespace sarsweep::trainer {

// A token found in the text before it is split into words.
struct AddedToken {
  std::string text;
  std::int64_t id = 0;
  bool special = true;
  bool normalized = false;  // matched in the normalised text instead of the raw one
};

// All that a tokenizer's files say.
struct TokenizerFiles {
  std::vector<std::string> vocabulary;  // token by id, without added ones beyond it
  std::vector<BytePairs::Merge> merges;
  std::vector<AddedToken> added;  // by id; holds bos, eos and pad
  std::string bos, eos, pad;

  const AddedToken* find_added(std::string_view text) const;
  std::int64_t id_of(
      std::string_view text) const;  // of the vocabulary or an added one; -1: unknown
};

// A folder as diffusers keeps it: vocab.json with merges.txt, or the tokenizer.json that current
// transformers write instead. Throws Error(invalid | not_found) naming the file.
TokenizerFiles read_tokenizer_folder(const std::filesystem::path& folder);
// The same of texts by file name ("vocab.json", "merges.txt", "tokenizer.json",
// "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"; those that are absent
// are missing). `folder` stands before their names in messages.
TokenizerFiles parse_tokenizer_texts(const std::map<std::string, std::string>& texts,
                                     const std::filesystem::path& folder);
// CLIP's vocabulary from open_clip's list of merges (gzip).
TokenizerFiles read_open_clip_merges(const std::filesystem::path& merges_gz,
                                     const std::string& pad);
// vocab.json, merges.txt, special_tokens_map.json, tokenizer_config.json. Equal input, equal bytes.
void write_tokenizer_folder(const TokenizerFiles& files, const std::filesystem::path& folder);

}  // namespace sarsweep::trainer
