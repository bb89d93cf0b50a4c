#include "trainer/core/files/safetensors.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "tests/support/referee.h"

namespace sarsweep::trainer {
namespace {

using testing::HasSubstr;
using tests::TemporaryFolder;

std::string framed(const std::string& header, const std::string& data = "",
                   std::optional<std::uint64_t> claimed = std::nullopt) {
  const std::uint64_t length = claimed.value_or(header.size());
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

// The message of the refusal, or empty if the file is accepted.
std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  std::ofstream(folder / "x.safetensors", std::ios::binary) << bytes;
  try {
    const SafetensorsFile file(folder / "x.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_THAT(error.what(), HasSubstr("x.safetensors"));
    return error.what();
  }
  return {};
}

struct Malformed {
  const char* name;
  std::string bytes;
  const char* says;
};
std::ostream& operator<<(std::ostream& out, const Malformed& malformed) {
  return out << malformed.name;
}

std::vector<Malformed> malformed_files() {
  const std::string four(4, 'x');
  const std::string eight(8, 'x');
  const auto tensor = [](const std::string& rest) { return "{\"a\":{" + rest + "}}"; };
  return {
      {"Empty", "", "has 0 bytes"},
      {"ShorterThanItsLength", "1234567", "has 7 bytes"},
      {"HugeHeader", framed("{}", "", 100'000'001), "claims 100000001 bytes, more than"},
      {"LengthOfAllOnes", framed("{}", "", UINT64_MAX), "more than the 100000000 allowed"},
      {"HeaderBeyondTheEnd", framed("{}", "", 3), "claims 3 bytes, but only 2 follow"},
      {"NoHeader", framed(""), "does not start with '{'"},
      {"LeadingSpace", framed(" {}"), "does not start with '{'"},
      {"Array", framed("[]"), "does not start with '{'"},
      {"BrokenJson", framed("{\"a\":"), "not valid JSON"},
      {"TextAfterTheHeader", framed("{} x"), "not valid JSON"},
      {"InvalidUtf8", framed("{\"\xFF\":{}}"), "not valid JSON"},
      {"TooDeep", framed("{\"a\":[[[[[[[[[[1]]]]]]]]]]}"), "deeper than 8"},
      {"DuplicateKey",
       framed(
           R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"),
       "appears twice"},
      {"EntryIsNoObject", framed(R"({"a":1})"), "\"a\" is not an object"},
      {"NoDtype", framed(tensor(R"("shape":[1],"data_offsets":[0,4])"), four), "has no dtype"},
      {"NoShape", framed(tensor(R"("dtype":"F32","data_offsets":[0,4])"), four), "has no shape"},
      {"NoOffsets", framed(tensor(R"("dtype":"F32","shape":[1])"), four), "has no data_offsets"},
      {"UnknownDtype", framed(tensor(R"("dtype":"F33","shape":[1],"data_offsets":[0,4])"), four),
       "unknown dtype \"F33\""},
      {"DtypeOfFourBits", framed(tensor(R"("dtype":"F4","shape":[8],"data_offsets":[0,4])"), four),
       "has the dtype F4, which is not supported"},
      {"DtypeIsNoString", framed(tensor(R"("dtype":4,"shape":[1],"data_offsets":[0,4])"), four),
       "no string"},
      {"NegativeExtent", framed(tensor(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), four),
       "has -1 in its shape"},
      {"FractionalExtent",
       framed(tensor(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), four),
       "has 1.0 in its shape"},
      {"ShapeIsNoList", framed(tensor(R"("dtype":"F32","shape":1,"data_offsets":[0,4])"), four),
       "shape that is no list"},
      {"OverflowingShape",
       framed(tensor(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])")),
       "overflows"},
      {"ExtentAboveSigned",
       framed(tensor(R"("dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,4])"), four),
       "extent of 9223372036854775808"},
      {"OneOffset", framed(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), four),
       "has 1 data_offsets"},
      {"ThreeOffsets", framed(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])"), four),
       "has 3 data_offsets"},
      {"ReversedOffsets", framed(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), four),
       "before its begin"},
      {"LengthIsNotTheShape",
       framed(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), four), "needs 8 bytes"},
      {"HoleAtTheStart", framed(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), eight),
       "a hole"},
      {"Overlap",
       framed(
           R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
           four),
       "an overlap"},
      {"TruncatedData", framed(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), four),
       "truncated"},
      {"TrailingData", framed(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), eight),
       "but the data has 8"},
      {"MetadataIsNoObject", framed(R"({"__metadata__":[]})"), "__metadata__ is not an object"},
      {"MetadataIsNoString", framed(R"({"__metadata__":{"a":1}})"), "\"a\" is not a string"},
  };
}

class Malformation : public testing::TestWithParam<Malformed> {};
TEST_P(Malformation, IsRefusedWithASentence) {
  EXPECT_THAT(refusal(GetParam().bytes), HasSubstr(GetParam().says));
}
INSTANTIATE_TEST_SUITE_P(Safetensors, Malformation, testing::ValuesIn(malformed_files()),
                         [](const auto& row) { return row.param.name; });

TEST(Safetensors, AcceptsPaddedHeadersScalarsAndEmptyTensors) {
  EXPECT_EQ(refusal(framed("{}      ")), "");
  EXPECT_EQ(refusal(framed(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                           R"("b":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]}})",
                           "abcd")),
            "");
}

TEST(Safetensors, KnowsTheSizeOfEveryTypeThatTakesWholeBytes) {
  for (const auto& [dtype, bytes] : std::vector<std::pair<std::string, int>>{{"F64", 8},
                                                                             {"F32", 4},
                                                                             {"F16", 2},
                                                                             {"BF16", 2},
                                                                             {"I64", 8},
                                                                             {"I32", 4},
                                                                             {"I16", 2},
                                                                             {"I8", 1},
                                                                             {"U8", 1},
                                                                             {"BOOL", 1},
                                                                             {"U64", 8},
                                                                             {"U32", 4},
                                                                             {"U16", 2},
                                                                             {"C64", 8},
                                                                             {"F8_E5M2", 1},
                                                                             {"F8_E4M3", 1},
                                                                             {"F8_E8M0", 1}}) {
    const std::string header = fmt::format(
        R"({{"a":{{"dtype":"{}","shape":[3],"data_offsets":[0,{}]}}}})", dtype, 3 * bytes);
    const std::string bytes_of_file = framed(header, std::string(3 * bytes, 'x'));
    const SafetensorsHeader read = parse_safetensors_header(bytes_of_file, "x.safetensors");
    EXPECT_EQ(to_string(read.entries.at(0).dtype), dtype);
  }
}

TEST(Safetensors, RefusesFoldersAndNamesAbsentFiles) {
  const TemporaryFolder folder;
  EXPECT_THROW(SafetensorsFile{folder.path()}, Error);
  try {
    const SafetensorsFile file(folder / "absent.safetensors");
    FAIL() << "an absent file was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
  }
}

struct Written {
  std::vector<TensorToWrite> tensors;
  std::vector<std::string> bytes;
  void add(TensorToWrite tensor, std::string content) {
    tensors.push_back(std::move(tensor));
    bytes.push_back(std::move(content));
  }
  void write(const std::filesystem::path& path, std::map<std::string, std::string> metadata = {}) {
    write_safetensors(
        path, tensors, [&](std::size_t i) { return bytes[i].data(); }, metadata);
  }
};

Written three_tensors() {
  Written written;
  written.add({"small", DType::u8, {3}}, "xyz");
  written.add({"b", DType::f32, {1, 2}}, "12345678");
  written.add({"a", DType::f32, {}}, "abcd");
  return written;
}

TEST(Safetensors, ComesBackAsWritten) {
  const TemporaryFolder folder;
  three_tensors().write(folder / "x", {{"key", "value"}});
  const SafetensorsFile file(folder / "x");
  ASSERT_EQ(file.entries().size(), 3u);
  EXPECT_EQ(file.entries()[0].name, "a");
  EXPECT_EQ(file.entries()[2].name, "small");
  const TensorEntry* b = file.find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->shape, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(std::memcmp(file.data(*b), "12345678", 8), 0);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file.data(*b)) % 4, 0u);
  EXPECT_EQ(file.find("absent"), nullptr);
  EXPECT_EQ(file.metadata(),
            (std::map<std::string, std::string>{{"format", "pt"}, {"key", "value"}}));
}

TEST(Safetensors, BorrowedBytesAreThereAgainAfterTheyWereGivenBack) {
  const TemporaryFolder folder;
  const std::string content(1 << 20, 'q');
  Written written;
  written.add({"large", DType::u8, {1 << 20}}, content);
  written.add({"small", DType::u8, {3}}, "xyz");
  written.write(folder / "x");
  std::shared_ptr<const std::byte> kept;
  {
    const SafetensorsFile file(folder / "x");
    for (int round = 0; round < 2; ++round) {
      const auto bytes = file.borrow(*file.find("large"));
      EXPECT_EQ(std::memcmp(bytes.get(), content.data(), content.size()), 0);
    }
    kept = file.borrow(*file.find("small"));
  }
  EXPECT_EQ(std::memcmp(kept.get(), "xyz", 3), 0) << "the handle outlives the file";
}

TEST(Safetensors, EqualInputGivesEqualBytesInAnyOrder) {
  const TemporaryFolder folder;
  three_tensors().write(folder / "x", {{"k", "1"}, {"j", "2"}});
  Written reversed;
  Written forward = three_tensors();
  for (std::size_t i = 3; i-- > 0;) reversed.add(forward.tensors[i], forward.bytes[i]);
  reversed.write(folder / "y", {{"j", "2"}, {"k", "1"}});
  EXPECT_EQ(read_file(folder / "x"), read_file(folder / "y"));
}

TEST(Safetensors, WriterRefusesWhatNobodyCouldRead) {
  const TemporaryFolder folder;
  for (const TensorToWrite& bad :
       {TensorToWrite{"a", DType::u8, {4}}, TensorToWrite{"__metadata__", DType::u8, {4}},
        TensorToWrite{"\xFF", DType::u8, {4}}, TensorToWrite{"n", DType::u8, {-4}}}) {
    Written written = three_tensors();
    written.add(bad, "abcd");
    EXPECT_THROW(written.write(folder / "x"), Error) << bad.name;
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, AFailureWhileWritingKeepsTheOldFile) {
  const TemporaryFolder folder;
  three_tensors().write(folder / "x");
  const std::string before = read_file(folder / "x");
  const auto broken = [](std::size_t) -> const void* { throw Error(ErrorCode::internal, "lost"); };
  EXPECT_THROW(write_safetensors(folder / "x", three_tensors().tensors, broken), Error);
  EXPECT_EQ(read_file(folder / "x"), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

// Flips, cuts and grows a good file: it is refused with a sentence or every tensor lies inside it.
TEST(Safetensors, SurvivesRandomDamage) {
  const TemporaryFolder folder;
  three_tensors().write(folder / "good", {{"key", "value"}});
  const std::string good = read_file(folder / "good");
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = good;
    for (unsigned flips = random() % 4; flips-- > 0;) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) bytes.resize(random() % (2 * bytes.size()));
    std::ofstream(folder / "x", std::ios::binary) << bytes;
    try {
      const SafetensorsFile file(folder / "x");
      for (const TensorEntry& entry : file.entries()) {
        const std::string copy(reinterpret_cast<const char*>(file.data(entry)),
                               entry.end - entry.begin);
        EXPECT_LE(entry.end, bytes.size());
      }
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

class Peer : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests::referee_present()) GTEST_SKIP() << "no .venv-test";
  }
};

// Python writes, we read and write again, Python compares.
TEST_F(Peer, ExchangesFilesWithPython) {
  const TemporaryFolder folder;
  const auto wrote = tests::run_referee("safetensors_peer.py", {"write", folder / "theirs"});
  ASSERT_EQ(wrote.exit_code, 0) << wrote.output;
  const SafetensorsFile theirs(folder / "theirs");
  EXPECT_EQ(theirs.metadata().at("who"), "peer");
  std::vector<TensorToWrite> tensors;
  for (const TensorEntry& entry : theirs.entries()) {
    tensors.push_back({entry.name, entry.dtype, entry.shape});
  }
  ASSERT_EQ(tensors.size(), 13u);
  write_safetensors(folder / "ours", tensors,
                    [&](std::size_t i) { return theirs.data(theirs.entries()[i]); },
                    {{"who", "ours"}});
  const auto checked = tests::run_referee("safetensors_peer.py", {"check", folder / "ours"});
  EXPECT_EQ(checked.exit_code, 0) << checked.output;
}

}  // namespace
}  // namespace sarsweep::trainer
