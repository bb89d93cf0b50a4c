#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

#include "trainer/core/metrics/evaluation.h"

namespace sarsweep::trainer {

// What `evaluate` needs of two folders of pictures: the pairs, the protocol's stretch measured on
// the real side, and the protocol with its hash. A folder is described by its metadata.jsonl where
// it has one (file_name, label, text, scale, seed and `stretch`, as written by Stretch::to_json:
// then the picture is mapped back to amplitude by its inverse); else it is every PNG and TIFF in
// order of name. Pairs are made by file_name where the real folder holds every generated name, by
// order where it holds none. Pictures are read on `threads` threads, which the input keeps; it
// warns where one side is stored in fewer bits than the other and than the protocol judges. Throws
// Error(invalid) that names the folder or file.
EvaluationInput load_folder_pairs(const std::filesystem::path& real,
                                  const std::filesystem::path& generated,
                                  const nlohmann::json& protocol, int threads = 1);

}  // namespace sarsweep::trainer
