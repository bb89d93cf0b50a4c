// The house rules that need no compiler: which folder may include which, where a third-party header
// may appear, how long a file may be, and words nobody commits.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Rule {
  std::string include;             // a prefix of what stands between the quotes or angle brackets
  std::vector<std::string> homes;  // the only path prefixes that may include it
};

// The dependency diagram of the README, executable. First match decides.
const std::vector<Rule> kIncludes = {
    {"<torch/", {"trainer/torch/", "tests/trainer/torch/"}},
    {"<ATen/", {"trainer/torch/", "tests/trainer/torch/"}},
    {"<c10/", {"trainer/torch/", "tests/trainer/torch/"}},
    {"<mpi.h>", {"trainer/dist/"}},
    {"<nccl.h>", {"trainer/dist/"}},
    {"<httplib.h>",
     {"coordinator/http/", "coordinator/client/", "tests/coordinator/http/", "tests/support/"}},
    {"<sqlite3.h>", {"coordinator/store/"}},
    {"<SQLiteCpp/", {"coordinator/store/"}},
    {"<yaml-cpp/", {"coordinator/sweep/"}},
    {"<png.h>", {"trainer/core/"}},
    {"<tiff", {"trainer/core/"}},
    {"<unsupported/Eigen/", {"trainer/core/metrics/"}},
    {"<Eigen/", {"trainer/core/metrics/"}},
    {"<CLI/",
     {"coordinator/cli/", "coordinator/main.cpp", "worker/main.cpp", "trainer/torch/main.cpp",
      "trainer/torch/commands/", "tests/load/main.cpp", "tests/statistics/main.cpp"}},
    {"\"schema/", {"schema/", "coordinator/", "worker/", "trainer/", "tests/", "dashboard/"}},
    {"\"coordinator/sweep/",
     {"coordinator/sweep/", "coordinator/core/", "coordinator/main.cpp", "tests/"}},
    {"\"coordinator/store/",
     {"coordinator/store/", "coordinator/core/", "coordinator/main.cpp", "tests/"}},
    {"\"coordinator/slurm/", {"coordinator/slurm/", "coordinator/core/", "tests/"}},
    {"\"coordinator/stats/", {"coordinator/stats/", "coordinator/core/", "tests/"}},
    {"\"coordinator/core/",
     {"coordinator/core/", "coordinator/http/", "coordinator/main.cpp", "tests/"}},
    {"\"coordinator/http/", {"coordinator/http/", "coordinator/main.cpp", "tests/"}},
    {"\"coordinator/client/",
     {"coordinator/client/", "coordinator/cli/", "worker/main.cpp", "tests/"}},
    {"\"coordinator/cli/", {"coordinator/cli/", "tests/"}},
    {"\"worker/", {"worker/", "tests/"}},
    {"\"trainer/core/", {"trainer/", "tests/"}},
    {"\"trainer/kernels/", {"trainer/kernels/", "trainer/torch/", "tests/"}},
    {"\"trainer/dist/", {"trainer/dist/", "trainer/torch/", "tests/"}},
    {"\"trainer/torch/commands/", {"trainer/torch/commands/", "trainer/torch/main.cpp"}},
    {"\"trainer/torch/jobs/", {"trainer/torch/jobs/", "trainer/torch/commands/", "tests/"}},
    {"\"trainer/torch/sampling/",
     {"trainer/torch/sampling/", "trainer/torch/jobs/", "trainer/torch/commands/", "tests/"}},
    {"\"trainer/torch/clip/",
     {"trainer/torch/clip/", "trainer/torch/jobs/", "trainer/torch/commands/", "tests/"}},
    {"\"trainer/torch/training/",
     {"trainer/torch/training/", "trainer/torch/clip/", "trainer/torch/jobs/",
      "trainer/torch/commands/", "tests/"}},
    {"\"trainer/torch/files/",
     {"trainer/torch/files/", "trainer/torch/clip/", "trainer/torch/jobs/",
      "trainer/torch/commands/", "tests/"}},
    {"\"trainer/torch/model/", {"trainer/torch/", "tests/"}},
    {"\"trainer/torch/", {"trainer/torch/", "tests/"}},
    {"\"tests/", {"tests/"}},
};

const std::vector<std::string> kBannedIncludes = {
    "<torch/torch.h>", "<torch/nn.h>", "<torch/optim.h>", "<ATen/ATen.h>", "<torch/extension.h>"};

struct Word {
  std::string text;  // found where no letter or digit continues it
  std::string home;  // path prefix the ban covers
};
const std::vector<Word> kBannedWords = {
    {"using namespace "
     "std",
     ""},
    {"std::"
     "thread",
     ""},
    {"FIX"
     "ME",
     ""},
    {"TO"
     "DO",
     ""},
    {"#if "
     "0",
     ""},
    {"detach"
     "()",
     "worker/"},
    {"sleep_"
     "for(",
     "tests/"},
    {"sleep_"
     "until(",
     "tests/"},
    {"u"
     "sleep(",
     "tests/"},
    {"system"
     "(",
     ""},
};
const std::vector<std::string> kBannedFileWords = {"util", "utils", "common", "helpers", "misc"};
constexpr std::size_t kMaxLines = 500;

// The tree that is judged: this one, or a copy with a planted fault.
fs::path root() {
  const char* other = std::getenv("SARSWEEP_TIDY_ROOT");
  return other != nullptr ? other : SARSWEEP_SOURCE_DIR;
}

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

std::vector<fs::path> source_files() {
  static const std::vector<std::string> kFolders = {"schema",  "coordinator", "worker",
                                                    "trainer", "tests",       "dashboard"};
  static const std::vector<std::string> kKinds = {".h",  ".cpp", ".cu",   ".cuh", ".py",
                                                  ".js", ".css", ".html", ".sql", ".yaml"};
  std::vector<fs::path> files;
  for (const std::string& folder : kFolders) {
    for (const auto& entry : fs::recursive_directory_iterator(root() / folder)) {
      const std::string kind = entry.path().extension().string();
      if (entry.is_regular_file() &&
          std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end()) {
        files.push_back(entry.path());
      }
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string relative_name(const fs::path& file) {
  return fs::relative(file, root()).generic_string();
}

bool is_cpp(const fs::path& file) {
  const std::string kind = file.extension().string();
  return kind == ".h" || kind == ".cpp" || kind == ".cu" || kind == ".cuh";
}

// Why `file` may not include `included` (with its quotes or brackets), or empty.
std::string include_fault(const std::string& file, const std::string& included) {
  for (const std::string& banned : kBannedIncludes) {
    if (included == banned) return "costs 10 s a file; name the operators";
  }
  for (const Rule& rule : kIncludes) {
    if (!starts_with(included, rule.include)) continue;
    for (const std::string& home : rule.homes) {
      if (starts_with(file, home)) return {};
    }
    return "only for " + fmt::format("{}", fmt::join(rule.homes, ", "));
  }
  return {};
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool in_a_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Whether `word` stands in `line` with no letter or digit continuing it on either side.
bool has_word(const std::string& line, const std::string& word) {
  for (std::size_t at = line.find(word); at != std::string::npos; at = line.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool starts = at == 0 || !in_a_word(word.front()) || !in_a_word(line[at - 1]);
    const bool ends = end == line.size() || !in_a_word(word.back()) || !in_a_word(line[end]);
    if (starts && ends) return true;
  }
  return false;
}

// What `line` includes, with its quotes or angle brackets; empty for any other line.
std::string included_by(const std::string& line) {
  static const std::string kDirective = "#include";
  const std::size_t directive = line.find_first_not_of(" \t");
  if (directive == std::string::npos ||
      line.compare(directive, kDirective.size(), kDirective) != 0) {
    return {};
  }
  const std::size_t open = line.find_first_of("<\"", directive);
  const std::size_t close = line.find_first_of(">\"", open == std::string::npos ? open : open + 1);
  return close == std::string::npos ? std::string() : line.substr(open, close - open + 1);
}

TEST(Tidy, IncludesPointOneWay) {
  for (const fs::path& file : source_files()) {
    if (!is_cpp(file)) continue;
    const std::vector<std::string> lines = lines_of(file);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string included = included_by(lines[i]);
      if (included.empty()) continue;
      const std::string fault = include_fault(relative_name(file), included);
      EXPECT_TRUE(fault.empty()) << relative_name(file) << ":" << i + 1 << ": " << included
                                 << " is " << fault;
    }
  }
}

TEST(Tidy, NoFileIsLongerThan500Lines) {
  for (const fs::path& file : source_files()) {
    EXPECT_LE(lines_of(file).size(), kMaxLines)
        << relative_name(file) << " has two nouns: split it";
  }
}

TEST(Tidy, NobodyCommitsBannedWords) {
  for (const fs::path& file : source_files()) {
    if (!is_cpp(file)) continue;
    const std::string name = relative_name(file);
    const std::vector<std::string> lines = lines_of(file);
    for (const Word& word : kBannedWords) {
      if (!starts_with(name, word.home)) continue;
      for (std::size_t i = 0; i < lines.size(); ++i) {
        EXPECT_FALSE(has_word(lines[i], word.text)) << name << ":" << i + 1 << ": " << lines[i];
      }
    }
  }
}

TEST(Tidy, FilesAreNamedByANoun) {
  for (const fs::path& file : source_files()) {
    for (const std::string& word : kBannedFileWords) {
      EXPECT_NE(file.stem().string(), word) << relative_name(file);
    }
  }
}

TEST(Tidy, EveryCppFileIsBuilt) {
  for (const fs::path& file : source_files()) {
    if (file.extension() != ".cpp") continue;
    bool named = false;
    for (fs::path folder = file.parent_path(); !named && folder != root().parent_path();
         folder = folder.parent_path()) {
      if (!fs::exists(folder / "CMakeLists.txt")) continue;
      const std::string wanted = fs::relative(file, folder).generic_string();
      for (const std::string& line : lines_of(folder / "CMakeLists.txt")) {
        named = named || line.find(wanted) != std::string::npos;
      }
    }
    EXPECT_TRUE(named) << relative_name(file) << " is in no CMakeLists.txt";
  }
}

}  // namespace
