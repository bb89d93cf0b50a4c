#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trainer/core/data/dataset.h"
#include "trainer/core/metrics/evaluation.h"
#include "trainer/torch/clip/clip_files.h"
#include "trainer/torch/clip/clip_judge.h"
#include "trainer/torch/jobs/run_context.h"

// The CLIP model that judges a run's pictures: what `eval.clip` names, the same for every run.
namespace sarsweep::trainer {

// Nothing is loaded. Throws Error(invalid, eval.clip) where eval.clip names no CLIP model.
void require_judge(const RunContext& run);
// On `device`; nullopt without eval.clip.
std::optional<ClipSource> load_judge(RunContext& run, at::Device device);

// The texts that a judge reads for the items of `data`, and what a protocol's hash covers of the
// data: the column `caption_column` of the protocol, untouched by prompt.replace.
struct JudgedCaptions {
  std::vector<std::string> texts;  // an item each
  std::string data_digest;         // Dataset::digest with these captions
};
// `data`: of a split, by the run's own options.
JudgedCaptions judged_captions(const nlohmann::json& protocol, const Dataset& data,
                               const std::string& split);

// Embeddings of the pairs of `input`, stretched by its stretch. `captions`: one a pair, the
// judge's. Pairs of one file_name have one real picture.
ClipEmbeddings judge_pairs(const ClipSource& judge, const EvaluationInput& input,
                           const std::vector<std::string>& captions,
                           const EmbeddingProgress& progress = {});

}  // namespace sarsweep::trainer
