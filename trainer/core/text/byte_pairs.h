#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sarsweep::trainer {

// The printable character that byte-level BPE writes for each byte, as UTF-8 (GPT-2's table:
// printable Latin-1 stands for itself, the rest for U+0100 and on), in CLIP's order of the
// vocabulary.
struct ByteSymbol {
  unsigned char byte;
  std::string symbol;
};
std::vector<ByteSymbol> byte_symbols();

// Byte-pair merging with CLIP's "</w>" on a word's last symbol. Immutable; thread-safe.
class BytePairs {
 public:
  using Merge = std::pair<std::string, std::string>;

  // `vocabulary`: token by id. Throws Error(invalid) if a byte's symbol or a merge's parts or
  // result are missing.
  BytePairs(const std::vector<std::string>& vocabulary, const std::vector<Merge>& merges);

  // The ids of one word (raw bytes), appended to `ids`.
  void append(std::string_view word, std::vector<std::int64_t>& ids) const;

 private:
  struct Rule {
    std::size_t rank;
    std::int64_t result;
  };
  const Rule* best_rule(const std::vector<std::int64_t>& symbols, std::uint64_t& pair) const;

  std::int64_t inner_[256];
  std::int64_t final_[256];
  std::unordered_map<std::uint64_t, Rule> rules_;
};

}  // namespace sarsweep::trainer
