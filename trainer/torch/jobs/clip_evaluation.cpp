#include "trainer/torch/jobs/clip_evaluation.h"

#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/core/metrics/clip_metrics.h"
#include "trainer/core/metrics/evaluation.h"
#include "trainer/core/metrics/metric_rules.h"
#include "trainer/torch/clip/clip_judge.h"
#include "trainer/torch/jobs/evaluation_protocol.h"
#include "trainer/torch/jobs/evaluation_record.h"
#include "trainer/torch/jobs/judge.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

// One item a pair; the pictures themselves are read as they are embedded.
EvaluationInput named_pairs(const Dataset& data, const std::vector<std::size_t>& items) {
  EvaluationInput input;
  for (const std::size_t item : items) {
    input.pairs.push_back({data.items()[item].file_name, data.items()[item].label, 0, {}, {}});
  }
  return input;
}

json rows_of(const EvaluationInput& input) {
  json rows = json::array();
  for (const EvaluationPair& pair : input.pairs) {
    rows.push_back({{"file_name", pair.file_name}, {"label", pair.label}, {"seed", pair.seed}});
  }
  return rows;
}

json counts_of(const EvaluationInput& input) {
  json labels = json::object();
  for (const EvaluationPair& pair : input.pairs) {
    labels[pair.label] = labels.value(pair.label, 0) + 1;
  }
  return labels;
}

// What the model makes of the items' own pictures and captions.
ClipEmbeddings look_at(RunContext& run, const ClipModel& model, const ProtocolItems& chosen,
                       const Stretch& stretch, const JudgedCaptions& judged) {
  std::vector<std::string> captions;
  for (const std::size_t item : chosen.items) captions.push_back(judged.texts[item]);
  const DistinctCaptions distinct = distinct_captions(captions);
  const auto told = [&](std::size_t done, std::size_t total) {
    run.stage("judge", static_cast<long>(done), static_cast<long>(total));
  };
  const auto stretched = [&](std::size_t i) {
    return stretch.forward(chosen.data.amplitude(chosen.items[i]));
  };
  ClipEmbeddings embeddings;
  embeddings.judge = clip_digest(model);
  embeddings.real = embed_stretched(model, chosen.items.size(), stretched, told);
  embeddings.generated = embeddings.real;
  embeddings.text = embed_texts(model, distinct.texts);
  embeddings.caption = distinct.place;
  return embeddings;
}

}  // namespace

void evaluate_clip(RunContext& run, const ClipModel& model, const DataOptions& options, long step) {
  if (run.file().protocol.is_null()) return;
  json block = run.file().protocol;
  const ProtocolItems chosen = protocol_items(block, options, "");
  const JudgedCaptions judged = judged_captions(block, chosen.data, chosen.split);
  const Stretch stretch = judged_stretch(block, options, chosen.data.stretch());
  block["split"] = chosen.split;
  block["pictures"] = "real";
  block["hash"] = protocol_hash(block, judged.data_digest, options.resolution);
  EvaluationInput input = named_pairs(chosen.data, chosen.items);
  input.clip = look_at(run, model, chosen, stretch, judged);
  run.check_stop();
  json result = {{"n", input.pairs.size()},        {"labels", counts_of(input)},
                 {"protocol_hash", block["hash"]}, {"stretch", stretch.to_json()},
                 {"warnings", json::array()},      {"images", rows_of(input)}};
  add_clip_metrics(input, parse_metric_rules(block), result);
  record_evaluation(run, "eval", step, result);
}

void require_clip_evaluable(const RunContext& run, const DataOptions& options,
                            const Stretch& stretch) {
  const json& block = run.file().protocol;
  if (block.is_null()) return;
  parse_metric_rules(block);
  const ProtocolItems chosen = protocol_items(block, options, "", stretch);
  require_readable(chosen.data, chosen.items);
  judged_captions(block, chosen.data, chosen.split);
}

}  // namespace sarsweep::trainer
