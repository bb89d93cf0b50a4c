// Whatever a tokenizer's files hold, they are refused with a sentence, or every id it gives is one
// of its vocabulary. The input is the texts of the files, in the order below, with "\n---\n"
// between.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "schema/base/error.h"
#include "trainer/core/text/tokenizer.h"
#include "trainer/core/text/tokenizer_files.h"

namespace {

constexpr std::string_view kBetween = "\n---\n";
constexpr std::array<const char*, 6> kFiles = {
    "vocab.json",        "merges.txt",    "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "tokenizer.json"};

// An empty text is an absent file.
std::map<std::string, std::string> texts_of(std::string_view input) {
  std::map<std::string, std::string> texts;
  for (const char* name : kFiles) {
    const std::size_t end = input.find(kBetween);
    const std::string_view text = input.substr(0, end);
    if (!text.empty()) texts.emplace(name, text);
    if (end == std::string_view::npos) break;
    input.remove_prefix(end + kBetween.size());
  }
  return texts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sarsweep;
  try {
    const auto tokenizer = trainer::Tokenizer::from_files(trainer::parse_tokenizer_texts(
        texts_of({reinterpret_cast<const char*>(data), size}), "fuzz"));
    for (const std::int64_t id : tokenizer.encode("a <SAR> picture of 3 ships, it's VV", 24)) {
      if (id < 0 || id >= tokenizer.vocabulary_size()) std::abort();
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid && error.code() != ErrorCode::not_found) std::abort();
  }
  return 0;
}
