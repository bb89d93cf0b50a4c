#include "trainer/core/text/byte_pairs.h"

#include <fmt/format.h>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

std::uint64_t key_of(std::int64_t left, std::int64_t right) {
  return (static_cast<std::uint64_t>(left) << 32) | static_cast<std::uint64_t>(right);
}

// Two-byte UTF-8 covers every code point the table uses (below U+0200).
std::string utf8(unsigned code_point) {
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  return {static_cast<char>(0xC0 | (code_point >> 6)),
          static_cast<char>(0x80 | (code_point & 0x3F))};
}

bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

class TokenIds {
 public:
  explicit TokenIds(const std::vector<std::string>& vocabulary) {
    for (std::size_t id = 0; id < vocabulary.size(); ++id) {
      ids_.emplace(vocabulary[id], static_cast<std::int64_t>(id));
    }
  }
  std::int64_t operator()(const std::string& token) const {
    const auto found = ids_.find(token);
    if (found == ids_.end()) {
      throw Error(
          ErrorCode::invalid,
          fmt::format("the tokenizer's vocabulary lacks \"{}\", which its merges need", token));
    }
    return found->second;
  }

 private:
  std::unordered_map<std::string_view, std::int64_t> ids_;
};

}  // namespace

std::vector<ByteSymbol> byte_symbols() {
  std::vector<ByteSymbol> table;
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (stands_for_itself(byte)) table.push_back({static_cast<unsigned char>(byte), utf8(byte)});
  }
  unsigned code_point = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (!stands_for_itself(byte)) {
      table.push_back({static_cast<unsigned char>(byte), utf8(code_point++)});
    }
  }
  return table;
}

BytePairs::BytePairs(const std::vector<std::string>& vocabulary, const std::vector<Merge>& merges) {
  const TokenIds id_of(vocabulary);
  for (const ByteSymbol& entry : byte_symbols()) {
    inner_[entry.byte] = id_of(entry.symbol);
    final_[entry.byte] = id_of(entry.symbol + "</w>");
  }
  rules_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const std::uint64_t pair = key_of(id_of(left), id_of(right));
    rules_.emplace(pair, Rule{rank, id_of(left + right)});
  }
}

const BytePairs::Rule* BytePairs::best_rule(const std::vector<std::int64_t>& symbols,
                                            std::uint64_t& pair) const {
  const Rule* best = nullptr;
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    const std::uint64_t key = key_of(symbols[i], symbols[i + 1]);
    const auto found = rules_.find(key);
    if (found == rules_.end() || (best != nullptr && found->second.rank >= best->rank)) continue;
    best = &found->second;
    pair = key;
  }
  return best;
}

// A pair can be merged everywhere at once, since what a merge produces only takes part in later
// ranks.
void BytePairs::append(std::string_view word, std::vector<std::int64_t>& ids) const {
  if (word.empty()) return;
  std::vector<std::int64_t> symbols;
  symbols.reserve(word.size());
  for (const char c : word) symbols.push_back(inner_[static_cast<unsigned char>(c)]);
  symbols.back() = final_[static_cast<unsigned char>(word.back())];
  std::uint64_t pair = 0;
  while (const Rule* rule = best_rule(symbols, pair)) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < symbols.size(); ++kept) {
      const bool merges = i + 1 < symbols.size() && key_of(symbols[i], symbols[i + 1]) == pair;
      symbols[kept] = merges ? rule->result : symbols[i];
      i += merges ? 2 : 1;
    }
    symbols.resize(kept);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

}  // namespace sarsweep::trainer
