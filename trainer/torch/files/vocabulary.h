#pragma once

#include <filesystem>
#include <string>

namespace sarsweep::trainer {

// The name of CLIP's vocabulary in the open_clip package.
inline constexpr const char* kVocabularyName = "bpe_simple_vocab_16e6.txt.gz";

// `named` if it is not empty, else the file of the open_clip package found when this program was
// built, else one that lies beside the program. Throws Error(not_found).
std::filesystem::path vocabulary_file(const std::string& named);

}  // namespace sarsweep::trainer
