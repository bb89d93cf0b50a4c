#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sarsweep::trainer {

struct TokenizerFiles;

// CLIP's byte-pair tokenizer, equal to transformers' CLIPTokenizer: special tokens split out by
// exact match, NFC, lower-case, whitespace collapsed, BPE with "</w>". Immutable after construction
// but for add_token; thread-safe for reading.
class Tokenizer {
 public:
  // A diffusers tokenizer folder: vocab.json, merges.txt, special_tokens_map.json,
  // tokenizer_config.json, added_tokens.json (optional).
  static Tokenizer from_folder(const std::filesystem::path& folder);
  // The merges of open_clip's bpe_simple_vocab_16e6.txt.gz. `pad_token`: "<|endoftext|>" or "!".
  static Tokenizer from_open_clip(const std::filesystem::path& vocabulary_gz,
                                  const std::string& pad_token);
  static Tokenizer from_files(TokenizerFiles files);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Ids with BOS and EOS, truncated and padded to `length` (77).
  std::vector<std::int64_t> encode(std::string_view text, int length = 77) const;
  // Ids alone: no BOS, EOS, truncation, padding.
  std::vector<std::int64_t> tokenize(std::string_view text) const;
  // Adds a special token (exact match, before lower-casing); returns its id. Known ones keep
  // theirs.
  std::int64_t add_token(const std::string& text);
  std::int64_t bos_id() const;
  std::int64_t eos_id() const;
  std::int64_t pad_id() const;
  std::int64_t vocabulary_size() const;
  // Writes the folder that transformers' CLIPTokenizer loads with equal results.
  void save(const std::filesystem::path& folder) const;

 private:
  Tokenizer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sarsweep::trainer
