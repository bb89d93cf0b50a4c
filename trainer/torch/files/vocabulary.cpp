#include "trainer/torch/files/vocabulary.h"

#include <fmt/format.h>

#include "schema/base/error.h"

namespace sarsweep::trainer {

namespace fs = std::filesystem;

fs::path vocabulary_file(const std::string& named) {
  if (!named.empty()) return named;
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  for (const fs::path& candidate :
       {fs::path(SARSWEEP_VOCABULARY), program.parent_path() / kVocabularyName}) {
    if (fs::exists(candidate, ignored)) return candidate;
  }
  throw Error(
      ErrorCode::not_found,
      fmt::format("found neither {} nor {} beside the program; install open_clip_torch from "
                  "PyPI and pass --vocab .../open_clip/{}",
                  SARSWEEP_VOCABULARY, kVocabularyName, kVocabularyName));
}

}  // namespace sarsweep::trainer
