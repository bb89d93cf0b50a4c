// Feeds a fuzz target the files of a corpus and damaged copies of them, the same ones every time:
//   NAME_smoke CORPUS COUNT
// The target aborts on a finding; a full search is libFuzzer's.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::string> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> texts;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    texts.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return texts;
}

std::size_t below(std::mt19937& random, std::size_t limit) { return random() % limit; }

void damage(std::string& text, const std::string& other, std::mt19937& random) {
  static const std::string kTelling = "{}[]\",:0123456789-.eE\\ \n\xff";
  const std::size_t at = below(random, text.size() + 1);
  switch (below(random, 5)) {
    case 0: text.insert(at, 1, kTelling[below(random, kTelling.size())]); break;
    case 1: text.erase(at, below(random, 8)); break;
    case 2: text.insert(at, text.substr(below(random, text.size() + 1), below(random, 40))); break;
    case 3:
      text.insert(at, other.substr(below(random, other.size() + 1), below(random, 40)));
      break;
    default:
      if (at < text.size()) text[at] = static_cast<char>(random());
  }
}

void feed(const std::string& text) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " CORPUS COUNT\n";
    return 2;
  }
  const std::vector<std::string> corpus = read_corpus(argv[1]);
  if (corpus.empty()) {
    std::cerr << argv[1] << " is empty\n";
    return 2;
  }
  for (const std::string& text : corpus) feed(text);
  std::mt19937 random(1);
  for (int left = std::atoi(argv[2]); left > 0; --left) {
    std::string text = corpus[below(random, corpus.size())];
    for (std::size_t times = 1 + below(random, 4); times > 0; --times) {
      damage(text, corpus[below(random, corpus.size())], random);
    }
    feed(text);
  }
  return 0;
}
