// Whatever a tokenizer's files hold, they are refused with a sentence, or every id it gives is one
// of its vocabulary. The input is the texts of the files, in the order below, and a prompt, with
// "\n---\n" between.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/base/error.h"
#include "trainer/core/text/byte_pairs.h"
#include "trainer/core/text/tokenizer.h"
#include "trainer/core/text/tokenizer_files.h"

namespace {

using namespace sarsweep;

constexpr std::string_view kBetween = "\n---\n";
constexpr std::array<const char*, 6> kFiles = {
    "vocab.json",        "merges.txt",    "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "tokenizer.json"};
constexpr int kLength = 24;

struct Input {
  std::map<std::string, std::string> texts;  // an empty one is an absent file
  std::string_view prompt = "a <SAR> picture of 3 ships, it's VV";
};

Input parse_input(std::string_view bytes) {
  Input input;
  for (const char* name : kFiles) {
    const std::size_t end = bytes.find(kBetween);
    const std::string_view text = bytes.substr(0, end);
    if (!text.empty()) input.texts.emplace(name, text);
    if (end == std::string_view::npos) return input;
    bytes.remove_prefix(end + kBetween.size());
  }
  input.prompt = bytes;
  return input;
}

std::vector<std::string> all_byte_symbols() {
  std::vector<std::string> symbols;
  for (const auto& [byte, symbol] : trainer::byte_symbols()) {
    symbols.push_back(symbol);
    symbols.push_back(symbol + "</w>");
  }
  return symbols;
}

// A vocabulary must hold two tokens for each byte, which no input of a useful length does: those it
// lacks follow it, and the added tokens follow them.
void complete(trainer::TokenizerFiles& files) {
  static const std::vector<std::string> symbols = all_byte_symbols();
  const std::size_t given = files.vocabulary.size();
  const std::set<std::string> known(files.vocabulary.begin(), files.vocabulary.end());
  for (const std::string& symbol : symbols) {
    if (!known.contains(symbol)) files.vocabulary.push_back(symbol);
  }
  for (trainer::AddedToken& token : files.added) {
    const bool beyond = token.id >= static_cast<std::int64_t>(given);
    if (beyond) token.id += static_cast<std::int64_t>(files.vocabulary.size() - given);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Input input = parse_input({reinterpret_cast<const char*>(data), size});
  try {
    trainer::TokenizerFiles files = trainer::parse_tokenizer_texts(input.texts, "fuzz");
    // Encoding takes ten times as long as reading: inputs of one size in 32 do it.
    if (size % 32 != 0) return 0;
    complete(files);
    const auto tokenizer = trainer::Tokenizer::from_files(std::move(files));
    const std::vector<std::int64_t> ids = tokenizer.encode(input.prompt, kLength);
    if (ids.size() != kLength) std::abort();
    for (const std::int64_t id : ids) {
      if (id < 0 || id >= tokenizer.vocabulary_size()) std::abort();
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid && error.code() != ErrorCode::not_found) std::abort();
  }
  return 0;
}
