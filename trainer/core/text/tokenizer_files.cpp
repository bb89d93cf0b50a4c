#include "trainer/core/text/tokenizer_files.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr JsonLimits kLimits{.depth = 16, .values = 4'000'000, .string_bytes = 1 << 20};
constexpr std::size_t kOpenClipMerges = 49152 - 256 - 2;
constexpr const char* kBos = "<|startoftext|>";
constexpr const char* kEos = "<|endoftext|>";
constexpr const char* kMergesHeader = "#version: 0.2";

[[noreturn]] void refuse(const fs::path& file, const std::string& reason) {
  throw Error(ErrorCode::invalid, fmt::format("{}: {}", file.string(), reason));
}

using Texts = std::map<std::string, std::string>;
constexpr std::array<const char*, 6> kFiles = {"vocab.json",
                                               "merges.txt",
                                               "tokenizer.json",
                                               "tokenizer_config.json",
                                               "special_tokens_map.json",
                                               "added_tokens.json"};

// An absent file is an empty object.
json json_of(const Texts& texts, const char* name, const fs::path& folder) {
  const auto text = texts.find(name);
  if (text == texts.end()) return json::object();
  return parse_json(text->second, (folder / name).string(), kLimits);
}

std::vector<std::string> parse_vocabulary(const json& document, const fs::path& file) {
  if (!document.is_object()) refuse(file, "the vocabulary is not an object of token: id");
  std::vector<std::string> vocabulary(document.size());
  std::vector<bool> seen(document.size());
  for (const auto& [token, id] : document.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= vocabulary.size() ||
        seen[id.get<std::size_t>()]) {
      refuse(file, fmt::format("token \"{}\" has the id {}; ids must be 0 to {}, each once", token,
                               id.dump(), vocabulary.size() - 1));
    }
    vocabulary[id.get<std::size_t>()] = token;
    seen[id.get<std::size_t>()] = true;
  }
  return vocabulary;
}

BytePairs::Merge parse_merge(std::string_view line, const fs::path& file) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 == line.size() ||
      line.find(' ', space + 1) != std::string_view::npos) {
    refuse(file, fmt::format("the merge \"{}\" is not two tokens with a space between", line));
  }
  return {std::string(line.substr(0, space)), std::string(line.substr(space + 1))};
}

// One merge a line; a first line with the format's version is skipped.
std::vector<BytePairs::Merge> parse_merges(std::string_view text, const fs::path& file,
                                           std::size_t most = SIZE_MAX) {
  std::vector<BytePairs::Merge> merges;
  bool first = true;
  while (!text.empty() && merges.size() < most) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const bool header =
        std::exchange(first, false) && line.find("#version") != std::string_view::npos;
    if (!header && !line.empty()) merges.push_back(parse_merge(line, file));
  }
  return merges;
}

std::vector<BytePairs::Merge> parse_json_merges(const json& list, const fs::path& file) {
  if (!list.is_array()) refuse(file, "model.merges is not a list");
  std::vector<BytePairs::Merge> merges;
  merges.reserve(list.size());
  for (const json& item : list) {
    if (item.is_string()) {
      merges.push_back(parse_merge(item.get_ref<const std::string&>(), file));
    } else if (item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string()) {
      merges.emplace_back(item[0].get<std::string>(), item[1].get<std::string>());
    } else {
      refuse(file, fmt::format("the merge {} is not two tokens", item.dump()));
    }
  }
  return merges;
}

AddedToken parse_added(const json& value, std::int64_t id, const fs::path& file) {
  if (!value.is_object() || !value.contains("content") || !value["content"].is_string()) {
    refuse(file, fmt::format("the added token {} has no content", value.dump()));
  }
  AddedToken token{value["content"].get<std::string>(), id, value.value("special", true),
                   value.value("normalized", false)};
  for (const char* flag : {"lstrip", "rstrip", "single_word"}) {
    if (value.value(flag, false)) {
      refuse(file, fmt::format("the added token \"{}\" asks for {}, which is not supported",
                               token.text, flag));
    }
  }
  return token;
}

// The later declaration of a token wins, as in transformers.
void put(TokenizerFiles& files, AddedToken token) {
  const auto found =
      std::find_if(files.added.begin(), files.added.end(),
                   [&](const AddedToken& other) { return other.text == token.text; });
  if (found == files.added.end()) {
    files.added.push_back(std::move(token));
  } else {
    *found = std::move(token);
  }
}

// Of an added token. Every vocabulary is far below the limit.
std::int64_t number_id(const std::string& token, const json& id, const fs::path& file) {
  constexpr std::uint64_t kGreatest = 999'999'999;
  if (!id.is_number_unsigned() || id.get<std::uint64_t>() > kGreatest) {
    refuse(file,
           fmt::format("the added token \"{}\" has the id {}, not a whole number from 0 to {}",
                       token, id.dump(), kGreatest));
  }
  return id.get<std::int64_t>();
}

std::int64_t parse_id(const std::string& text, const fs::path& file) {
  if (text.empty() || text.size() > 9 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    refuse(file, fmt::format("\"{}\" is not a token id", text));
  }
  return std::stoll(text);
}

// bos, eos, unk and pad are special tokens, whether or not a list of added tokens holds them.
void read_roles(TokenizerFiles& files, const json& config, const json& map, const fs::path& file) {
  const std::array<std::pair<const char*, std::string*>, 3> roles{
      {{"bos_token", &files.bos}, {"eos_token", &files.eos}, {"pad_token", &files.pad}}};
  for (const auto& [key, text] : roles) {
    const json value = config.contains(key) ? config[key] : map.value(key, json());
    const json object = value.is_string() ? json{{"content", value}} : value;
    if (object.is_null()) {
      *text = std::string_view(key) == "bos_token" ? kBos : kEos;
    } else {
      *text = parse_added(object, 0, file).text;
    }
    if (files.find_added(*text) != nullptr) continue;
    const std::int64_t id = files.id_of(*text);
    if (id < 0) refuse(file, fmt::format("the {} \"{}\" is not in the vocabulary", key, *text));
    put(files, {*text, id, true, !object.is_null() && object.value("normalized", false)});
  }
}

bool is_listed(const json& tokens, const std::string& text) {
  return std::any_of(tokens.begin(), tokens.end(), [&](const json& item) {
    return item == text || (item.is_object() && item.value("content", "") == text);
  });
}

void read_added(TokenizerFiles& files, const json& config, const json& map, const json& added,
                const fs::path& folder) {
  const json specials = map.value("additional_special_tokens", json::array());
  for (const auto& [text, id] : added.items()) {
    const bool special = is_listed(specials, text);
    put(files, {text, number_id(text, id, folder / "added_tokens.json"), special, !special});
  }
  const json listed = config.value("added_tokens_decoder", json::object());
  for (const auto& [id, value] : listed.items()) {
    const fs::path file = folder / "tokenizer_config.json";
    put(files, parse_added(value, parse_id(id, file), file));
  }
}

// Ids beyond the vocabulary must follow it without a hole: they are rows of the embedding.
void check_added(TokenizerFiles& files, const fs::path& folder) {
  std::sort(files.added.begin(), files.added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  auto expected = static_cast<std::int64_t>(files.vocabulary.size());
  for (const AddedToken& token : files.added) {
    const bool known = token.id < static_cast<std::int64_t>(files.vocabulary.size());
    const bool right = known ? files.vocabulary[static_cast<std::size_t>(token.id)] == token.text
                             : token.id == expected++;
    if (!right || token.text.empty()) {
      refuse(folder,
             fmt::format("the added token \"{}\" has the wrong id {}", token.text, token.id));
    }
  }
}

void read_single_file(TokenizerFiles& files, const json& document, const fs::path& file) {
  const json model = document.value("model", json::object());
  if (model.value("type", "") != "BPE" || model.value("end_of_word_suffix", "") != "</w>") {
    refuse(file, "it is not a CLIP tokenizer (BPE with \"</w>\")");
  }
  files.vocabulary = parse_vocabulary(model.value("vocab", json()), file);
  files.merges = parse_json_merges(model.value("merges", json()), file);
  for (const json& value : document.value("added_tokens", json::array())) {
    AddedToken token = parse_added(value, 0, file);
    token.id = number_id(token.text, value.value("id", json()), file);
    put(files, std::move(token));
  }
}

// The whole content of a gzip file, at most 16 MiB.
std::string inflate_file(const fs::path& file) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in(::gzopen(file.c_str(), "rb"), ::gzclose);
  if (!in) {
    throw Error(ErrorCode::not_found, fmt::format("cannot open the vocabulary {}", file.string()));
  }
  std::string text(16 << 20, '\0');
  const int size = ::gzread(in.get(), text.data(), static_cast<unsigned>(text.size()));
  if (size < 0) refuse(file, "it is damaged (not valid gzip)");
  text.resize(static_cast<std::size_t>(size));
  return text;
}

json token_json(const AddedToken& token) {
  return {{"content", token.text}, {"lstrip", false},      {"normalized", token.normalized},
          {"rstrip", false},       {"single_word", false}, {"special", token.special}};
}

}  // namespace

const AddedToken* TokenizerFiles::find_added(std::string_view text) const {
  const auto found = std::find_if(added.begin(), added.end(),
                                  [text](const AddedToken& token) { return token.text == text; });
  return found == added.end() ? nullptr : &*found;
}

std::int64_t TokenizerFiles::id_of(std::string_view text) const {
  if (const AddedToken* token = find_added(text)) return token->id;
  const auto found = std::find(vocabulary.begin(), vocabulary.end(), text);
  return found == vocabulary.end() ? -1 : found - vocabulary.begin();
}

TokenizerFiles read_tokenizer_folder(const fs::path& folder) {
  Texts texts;
  for (const char* name : kFiles) {
    if (fs::exists(folder / name)) texts.emplace(name, read_file(folder / name));
  }
  return parse_tokenizer_texts(texts, folder);
}

TokenizerFiles parse_tokenizer_texts(const Texts& texts, const fs::path& folder) try {
  TokenizerFiles files;
  if (texts.contains("vocab.json")) {
    files.vocabulary =
        parse_vocabulary(json_of(texts, "vocab.json", folder), folder / "vocab.json");
    const auto merges = texts.find("merges.txt");
    if (merges == texts.end()) {
      throw Error(ErrorCode::not_found,
                  fmt::format("{} has a vocab.json but no merges.txt", folder.string()));
    }
    files.merges = parse_merges(merges->second, folder / "merges.txt");
  } else if (texts.contains("tokenizer.json")) {
    read_single_file(files, json_of(texts, "tokenizer.json", folder), folder / "tokenizer.json");
  } else {
    throw Error(ErrorCode::not_found,
                fmt::format("{} has neither vocab.json nor tokenizer.json: it is "
                            "not a CLIP tokenizer",
                            folder.string()));
  }
  const json config = json_of(texts, "tokenizer_config.json", folder);
  const json map = json_of(texts, "special_tokens_map.json", folder);
  read_added(files, config, map, json_of(texts, "added_tokens.json", folder), folder);
  read_roles(files, config, map, folder / "tokenizer_config.json");
  check_added(files, folder);
  return files;
} catch (const json::exception& error) {
  throw Error(ErrorCode::invalid,
              fmt::format("the tokenizer in {} is malformed: {}", folder.string(), error.what()));
}

TokenizerFiles read_open_clip_merges(const fs::path& merges_gz, const std::string& pad) {
  TokenizerFiles files;
  files.merges = parse_merges(inflate_file(merges_gz), merges_gz, kOpenClipMerges);
  if (files.merges.size() != kOpenClipMerges) {
    refuse(merges_gz, fmt::format("it holds {} merges, and CLIP needs {}", files.merges.size(),
                                  kOpenClipMerges));
  }
  for (const char* suffix : {"", "</w>"}) {
    for (const ByteSymbol& entry : byte_symbols())
      files.vocabulary.push_back(entry.symbol + suffix);
  }
  for (const auto& [left, right] : files.merges) files.vocabulary.push_back(left + right);
  files.vocabulary.insert(files.vocabulary.end(), {kBos, kEos});
  const json roles{{"bos_token", kBos}, {"eos_token", kEos}, {"pad_token", pad}};
  read_roles(files, roles, json::object(), merges_gz);
  check_added(files, merges_gz);
  return files;
}

void write_tokenizer_folder(const TokenizerFiles& files, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw Error(ErrorCode::internal,
                fmt::format("cannot create {}: {}", folder.string(), error.message()));
  }
  // Appended to the underlying vector: the map's own insertion searches all earlier keys, seconds
  // here.
  nlohmann::ordered_json vocabulary = nlohmann::ordered_json::object();
  auto& entries = vocabulary.get_ref<nlohmann::ordered_json::object_t&>();
  entries.reserve(files.vocabulary.size());
  for (std::size_t id = 0; id < files.vocabulary.size(); ++id) {
    entries.emplace_back(files.vocabulary[id], id);
  }
  std::string merges = std::string(kMergesHeader) + "\n";
  for (const auto& [left, right] : files.merges) merges += left + " " + right + "\n";
  const json roles{{"bos_token", files.bos},
                   {"eos_token", files.eos},
                   {"pad_token", files.pad},
                   {"unk_token", files.eos}};
  json config = roles;
  config.update({{"tokenizer_class", "CLIPTokenizer"},
                 {"model_max_length", 77},
                 {"do_lower_case", true},
                 {"errors", "replace"},
                 {"added_tokens_decoder", json::object()}});
  for (const AddedToken& token : files.added) {
    config["added_tokens_decoder"][std::to_string(token.id)] = token_json(token);
  }
  write_file_atomically(folder / "vocab.json", vocabulary.dump());
  write_file_atomically(folder / "merges.txt", merges);
  write_file_atomically(folder / "special_tokens_map.json", roles.dump(2) + "\n");
  write_file_atomically(folder / "tokenizer_config.json", config.dump(2) + "\n");
}

}  // namespace sarsweep::trainer
