#include "trainer/core/text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include <re2/re2.h>
#include <utf8proc.h>

#include "schema/base/error.h"
#include "trainer/core/text/byte_pairs.h"
#include "trainer/core/text/tokenizer_files.h"

namespace sarsweep::trainer {
namespace {

// CLIP's words. Letters run together, digits stand alone; the rest but white space runs together.
constexpr const char* kWord =
    R"((<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+))";

// Immutable, safe to share between threads, and slow to compile.
const RE2& word_pattern() {
  static const RE2 pattern(kWord);
  return pattern;
}

bool is_space(utf8proc_int32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

[[noreturn]] void refuse_text(std::string_view text) {
  throw Error(ErrorCode::invalid,
              fmt::format("a prompt of {} bytes is not valid UTF-8", text.size()));
}

std::string composed(std::string_view text) {
  utf8proc_uint8_t* raw = nullptr;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const utf8proc_ssize_t size =
      utf8proc_map(bytes, static_cast<utf8proc_ssize_t>(text.size()), &raw,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owned(raw, std::free);
  if (size < 0) refuse_text(text);
  return {reinterpret_cast<const char*>(raw), static_cast<std::size_t>(size)};
}

void append_utf8(utf8proc_int32_t code_point, std::string& out) {
  utf8proc_uint8_t buffer[4];
  const utf8proc_ssize_t size = utf8proc_encode_char(code_point, buffer);
  out.append(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(size));
}

// NFC, runs of white space to one space, lower case by code point. U+0130 is the one letter whose
// lower case is two code points.
std::string normalized(std::string_view text) {
  const std::string source = composed(text);
  const auto* cursor = reinterpret_cast<const utf8proc_uint8_t*>(source.data());
  auto left = static_cast<utf8proc_ssize_t>(source.size());
  std::string result;
  result.reserve(source.size());
  bool after_space = false;
  while (left > 0) {
    utf8proc_int32_t c = 0;
    const utf8proc_ssize_t size = utf8proc_iterate(cursor, left, &c);
    if (size < 0) refuse_text(text);
    cursor += size;
    left -= size;
    const bool space = is_space(c);
    if (space && !after_space) result += ' ';
    if (!space) append_utf8(c == 0x130 ? 'i' : utf8proc_tolower(c), result);
    if (c == 0x130) append_utf8(0x307, result);
    after_space = space;
  }
  return result;
}

struct Needle {
  std::string text;
  std::int64_t id;
};

struct Match {
  std::size_t position, size;
  std::int64_t id;
};

// The leftmost occurrence of any needle at or after `from`; the longest where several begin.
std::optional<Match> find_needle(std::string_view text, std::size_t from,
                                 const std::vector<Needle>& needles) {
  std::optional<Match> best;
  for (const Needle& needle : needles) {
    const std::size_t position = text.find(needle.text, from);
    if (position == std::string_view::npos) continue;
    if (!best || position < best->position ||
        (position == best->position && needle.text.size() > best->size)) {
      best = Match{position, needle.text.size(), needle.id};
    }
  }
  return best;
}

// Calls `piece` for the text between needles and appends the needles' ids, in order.
template <typename Piece>
void split_at(std::string_view text, const std::vector<Needle>& needles,
              std::vector<std::int64_t>& ids, Piece piece) {
  std::size_t from = 0;
  while (const std::optional<Match> match = find_needle(text, from, needles)) {
    if (match->position > from) piece(text.substr(from, match->position - from));
    ids.push_back(match->id);
    from = match->position + match->size;
  }
  if (from < text.size()) piece(text.substr(from));
}

}  // namespace

struct Tokenizer::Impl {
  explicit Impl(TokenizerFiles content)
      : files(std::move(content)), pairs(files.vocabulary, files.merges) {
    index_added();
  }

  void index_added() {
    raw.clear();
    folded.clear();
    for (const AddedToken& token : files.added) {
      if (token.normalized) {
        folded.push_back({normalized(token.text), token.id});
      } else {
        raw.push_back({token.text, token.id});
      }
    }
  }

  void append_words(std::string_view text, std::vector<std::int64_t>& ids) const {
    re2::StringPiece rest(text.data(), text.size());
    re2::StringPiece word;
    while (RE2::FindAndConsume(&rest, word_pattern(), &word)) {
      append_word({word.data(), word.size()}, ids);
    }
  }

  // Byte-level splitting knows no special words: what is left of "<|startoftext|>" here came from
  // other cases of it and falls apart into three.
  void append_word(std::string_view word, std::vector<std::int64_t>& ids) const {
    const bool written_out = word == "<|startoftext|>" || word == "<|endoftext|>";
    if (!written_out) return pairs.append(word, ids);
    pairs.append(word.substr(0, 2), ids);
    pairs.append(word.substr(2, word.size() - 4), ids);
    pairs.append(word.substr(word.size() - 2), ids);
  }

  TokenizerFiles files;
  BytePairs pairs;
  std::vector<Needle> raw, folded;  // added tokens by where they are matched
};

Tokenizer::Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::from_folder(const std::filesystem::path& folder) {
  return from_files(read_tokenizer_folder(folder));
}

Tokenizer Tokenizer::from_open_clip(const std::filesystem::path& vocabulary_gz,
                                    const std::string& pad_token) {
  return from_files(read_open_clip_merges(vocabulary_gz, pad_token));
}

Tokenizer Tokenizer::from_files(TokenizerFiles files) {
  Tokenizer result;
  result.impl_ = std::make_unique<Impl>(std::move(files));
  return result;
}

std::vector<std::int64_t> Tokenizer::encode(std::string_view text, int length) const {
  if (length < 2) {
    throw Error(ErrorCode::invalid,
                fmt::format("a prompt of {} tokens has no room for BOS and EOS", length));
  }
  const auto wanted = static_cast<std::size_t>(length);
  std::vector<std::int64_t> ids = tokenize(text);
  ids.resize(std::min(ids.size(), wanted - 2));
  ids.insert(ids.begin(), bos_id());
  ids.push_back(eos_id());
  ids.resize(wanted, pad_id());
  return ids;
}

std::vector<std::int64_t> Tokenizer::tokenize(std::string_view text) const {
  std::vector<std::int64_t> ids;
  split_at(text, impl_->raw, ids, [&](std::string_view part) {
    split_at(normalized(part), impl_->folded, ids,
             [&](std::string_view words) { impl_->append_words(words, ids); });
  });
  return ids;
}

std::int64_t Tokenizer::add_token(const std::string& text) {
  TokenizerFiles& files = impl_->files;
  if (text.empty()) throw Error(ErrorCode::invalid, "an added token must not be empty");
  if (const AddedToken* known = files.find_added(text)) return known->id;
  const std::int64_t existing = files.id_of(text);
  const std::int64_t id = existing >= 0 ? existing : vocabulary_size();
  files.added.push_back({text, id, true, false});
  impl_->index_added();
  return id;
}

std::int64_t Tokenizer::bos_id() const { return impl_->files.id_of(impl_->files.bos); }
std::int64_t Tokenizer::eos_id() const { return impl_->files.id_of(impl_->files.eos); }
std::int64_t Tokenizer::pad_id() const { return impl_->files.id_of(impl_->files.pad); }

std::int64_t Tokenizer::vocabulary_size() const {
  auto size = static_cast<std::int64_t>(impl_->files.vocabulary.size());
  for (const AddedToken& token : impl_->files.added) size = std::max(size, token.id + 1);
  return size;
}

void Tokenizer::save(const std::filesystem::path& folder) const {
  write_tokenizer_folder(impl_->files, folder);
}

}  // namespace sarsweep::trainer
