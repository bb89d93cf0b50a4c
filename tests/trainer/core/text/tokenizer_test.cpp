#include "trainer/core/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "tests/support/referee.h"
#include "trainer/core/text/tokenizer_files.h"

namespace sarsweep::trainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::TemporaryFolder;
using Ids = std::vector<std::int64_t>;
constexpr const char* kEndOfText = "<|endoftext|>";

class ClipVocabulary : public testing::Test {
 protected:
  void SetUp() override {
    merges_ = tests::open_clip_vocabulary();
    if (!merges_) GTEST_SKIP() << "open_clip's vocabulary is not installed in .venv";
  }
  Tokenizer tokenizer(const std::string& pad = kEndOfText) const {
    return Tokenizer::from_open_clip(*merges_, pad);
  }
  std::optional<std::filesystem::path> merges_;
};

class Conformance : public ClipVocabulary, public testing::WithParamInterface<std::string> {};

// 10,000 strings through transformers: plain, padded, and with an added token; our folder read by
// transformers; transformers' folder read by us.
TEST_P(Conformance, EqualsTransformersOnGeneratedStrings) {
  if (IsSkipped()) return;
  if (!tests::referee_present()) GTEST_SKIP() << "no .venv-test";
  const TemporaryFolder folder;
  const Tokenizer plain = tokenizer(GetParam());
  Tokenizer added = tokenizer(GetParam());
  ASSERT_EQ(added.add_token("<SAR>"), 49408);
  added.save(folder / "ours");
  const auto referee =
      tests::run_referee("tokenizer_corpus.py", {merges_->string(), GetParam(), folder / "ours",
                                                 folder / "out.json", "10000", folder / "theirs"});
  ASSERT_EQ(referee.exit_code, 0) << referee.output;
  const Tokenizer theirs = Tokenizer::from_folder(folder / "theirs");
  const auto expected = nlohmann::json::parse(read_file(folder / "out.json"));
  ASSERT_GE(expected.size(), 10000u);
  for (const auto& row : expected) {
    const auto text = row["text"].get<std::string>();
    EXPECT_EQ(plain.tokenize(text), row["ids"].get<Ids>()) << row["text"];
    EXPECT_EQ(plain.encode(text), row["padded"].get<Ids>()) << row["text"];
    EXPECT_EQ(added.tokenize(text), row["with_token"].get<Ids>()) << row["text"];
    EXPECT_EQ(theirs.tokenize(text), row["with_token"].get<Ids>()) << row["text"];
  }
}
INSTANTIATE_TEST_SUITE_P(BothTokenizersOfSdxl, Conformance, testing::Values(kEndOfText, "!"),
                         [](const auto& row) { return row.param == "!" ? "Second" : "First"; });

TEST_F(ClipVocabulary, PadsTheFirstWithEndOfTextAndTheSecondWithZero) {
  EXPECT_THAT(tokenizer().encode("a", 5), ElementsAre(49406, 320, 49407, 49407, 49407));
  EXPECT_THAT(tokenizer("!").encode("a", 5), ElementsAre(49406, 320, 49407, 0, 0));
}

TEST_F(ClipVocabulary, TruncatesBeforeTheEndToken) {
  const Ids ids = tokenizer().encode("a a a a a a", 4);
  EXPECT_THAT(ids, ElementsAre(49406, 320, 320, 49407));
}

TEST_F(ClipVocabulary, MatchesAnAddedTokenExactlyAndInsideWords) {
  Tokenizer added = tokenizer();
  EXPECT_EQ(added.vocabulary_size(), 49408);
  EXPECT_EQ(added.add_token("<SAR>"), 49408);
  EXPECT_EQ(added.add_token("<SAR>"), 49408);
  EXPECT_EQ(added.vocabulary_size(), 49409);
  EXPECT_THAT(added.tokenize("a<SAR>a"), ElementsAre(320, 49408, 320));
  EXPECT_THAT(added.tokenize("<sar>"), testing::Not(testing::Contains(49408)));
}

TEST_F(ClipVocabulary, ComesBackFromItsFolderByteForByte) {
  const TemporaryFolder folder;
  Tokenizer added = tokenizer("!");
  added.add_token("<SAR>");
  added.save(folder / "a");
  Tokenizer::from_folder(folder / "a").save(folder / "b");
  for (const char* name :
       {"vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json"}) {
    EXPECT_EQ(read_file(folder.path() / "a" / name), read_file(folder.path() / "b" / name)) << name;
  }
}

// Released SDXL folders declare their tokens in special_tokens_map.json, some matched in folded
// text.
TEST_F(ClipVocabulary, ReadsReleasedFoldersWithNormalizedTokens) {
  const TemporaryFolder folder;
  tokenizer("!").save(folder.path());
  std::filesystem::remove(folder / "tokenizer_config.json");
  std::ofstream(folder / "special_tokens_map.json")
      << R"({"bos_token": {"content": "<|startoftext|>", "lstrip": false, "normalized": true,
             "rstrip": false, "single_word": false}, "eos_token": "<|endoftext|>", "pad_token": "!"})";
  const Tokenizer read = Tokenizer::from_folder(folder.path());
  EXPECT_EQ(read.pad_id(), 0);
  EXPECT_THAT(read.tokenize("<|STARTOFTEXT|>x"), ElementsAre(49406, 343));
  EXPECT_THAT(read.tokenize("<|ENDOFTEXT|>"), testing::SizeIs(testing::Gt(1u)));
}

TEST_F(ClipVocabulary, RefusesWhatIsNoText) {
  EXPECT_THROW(tokenizer().tokenize("\xFF\xFE"), Error);
  EXPECT_THROW(tokenizer().encode("a", 1), Error);
  Tokenizer added = tokenizer();
  EXPECT_THROW(added.add_token(""), Error);
}

std::string refusal(const std::filesystem::path& folder) {
  try {
    Tokenizer::from_folder(folder);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST_F(ClipVocabulary, NamesTheDamageOfAFolder) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal(folder.path()), HasSubstr("neither vocab.json nor tokenizer.json"));
  tokenizer().save(folder.path());
  const std::string merges = read_file(folder / "merges.txt");
  std::ofstream(folder / "merges.txt") << merges << "one two three\n";
  EXPECT_THAT(refusal(folder.path()), HasSubstr("one two three"));
  std::ofstream(folder / "merges.txt") << merges << "nosuch token\n";
  EXPECT_THAT(refusal(folder.path()), HasSubstr("lacks \"nosuch\""));
  std::ofstream(folder / "merges.txt") << merges;
  std::ofstream(folder / "added_tokens.json") << R"({"<SAR>": 50000})";
  EXPECT_THAT(refusal(folder.path()), HasSubstr("wrong id 50000"));
  std::ofstream(folder / "added_tokens.json") << "{}";
  std::ofstream(folder / "vocab.json") << R"({"a": 0, "b": 0})";
  EXPECT_THAT(refusal(folder.path()), HasSubstr("has the id 0"));
  std::ofstream(folder / "vocab.json") << "[1]";
  EXPECT_THAT(refusal(folder.path()), HasSubstr("not an object"));
}

// 2^64 - 1 is -1 as the type of ids.
TEST(TokenizerTexts, RefuseAnAddedTokenWhoseIdIsBeyondAllIds) {
  const std::map<std::string, std::string> texts = {
      {"vocab.json", R"({"<|startoftext|>": 0, "<|endoftext|>": 1})"},
      {"merges.txt", ""},
      {"added_tokens.json", R"({"<SAR>": 18446744073709551615})"}};
  try {
    parse_tokenizer_texts(texts, "folder");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("\"<SAR>\""));
    EXPECT_THAT(error.what(), HasSubstr("18446744073709551615"));
  }
}

TEST(OpenClipMerges, MustBeAGzipFileWithAllMerges) {
  const TemporaryFolder folder;
  EXPECT_THROW(Tokenizer::from_open_clip(folder / "absent.gz", kEndOfText), Error);
  std::ofstream(folder / "short.gz") << "#version\na b\n";
  EXPECT_THROW(Tokenizer::from_open_clip(folder / "short.gz", kEndOfText), Error);
}

}  // namespace
}  // namespace sarsweep::trainer
