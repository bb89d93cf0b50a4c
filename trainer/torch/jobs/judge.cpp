#include "trainer/torch/jobs/judge.h"

#include <fmt/format.h>

#include <unordered_map>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

// Empty: no judge.
std::string judge_path(const RunContext& run) {
  const json& config = run.file().config;
  const json eval = config.is_object() ? config.value("eval", json::object()) : json::object();
  const json path = eval.is_object() ? eval.value("clip", json()) : json();
  return path.is_string() ? path.get<std::string>() : std::string();
}

// The real pictures that are no earlier pair's, and of every pair its place among them.
struct RealPictures {
  std::vector<std::size_t> pairs, place;
};

RealPictures real_pictures(const std::vector<EvaluationPair>& pairs) {
  RealPictures real;
  std::unordered_map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto [found, fresh] = known.emplace(pairs[i].file_name, real.pairs.size());
    if (fresh) real.pairs.push_back(i);
    real.place.push_back(found->second);
  }
  return real;
}

}  // namespace

void require_judge(const RunContext& run) {
  const std::string path = judge_path(run);
  if (path.empty()) return;
  const std::optional<ClipPlace> place = find_clip(path);
  if (!place) {
    throw Error(
        ErrorCode::invalid,
        fmt::format("eval.clip {} is no CLIP model; give a transformers folder, open_clip's "
                    "folder or weights, or a checkpoint of a clip run",
                    path),
        "eval.clip");
  }
  read_clip_config(*place);
}

std::optional<ClipSource> load_judge(RunContext& run, at::Device device) {
  const std::string path = judge_path(run);
  if (path.empty()) return std::nullopt;
  const LongWork reading(run.ranks());
  ClipSource judge = load_clip(path);
  move_clip(judge.model, device);
  return judge;
}

JudgedCaptions judged_captions(const json& protocol, const Dataset& data,
                               const std::string& split) {
  const json column = protocol.value("caption_column", json());
  const bool other = column.is_string() && column != data.options().caption_column;
  if (other) {
    DataOptions options = data.options();
    options.caption_column = column.get<std::string>();
    json plain = protocol;
    plain.erase("caption_column");
    return judged_captions(plain, Dataset(options, split, data.stretch()), split);
  }
  JudgedCaptions judged{{}, data.digest()};
  for (const DataItem& item : data.items()) judged.texts.push_back(item.caption);
  return judged;
}

ClipEmbeddings judge_pairs(const ClipSource& judge, const EvaluationInput& input,
                           const std::vector<std::string>& captions,
                           const EmbeddingProgress& progress) {
  const RealPictures real = real_pictures(input.pairs);
  const DistinctCaptions distinct = distinct_captions(captions);
  const std::size_t pictures = real.pairs.size() + input.pairs.size();
  const auto stretched = [&](std::size_t i) {
    return input.stretch.forward(i < real.pairs.size()
                                     ? input.pairs[real.pairs[i]].real
                                     : input.pairs[i - real.pairs.size()].generated);
  };
  EmbeddingRows rows = embed_stretched(judge.model, pictures, stretched, progress);
  ClipEmbeddings embeddings;
  embeddings.judge = judge.digest;
  for (const std::size_t place : real.place) embeddings.real.push_back(rows[place]);
  embeddings.generated.assign(rows.begin() + static_cast<std::ptrdiff_t>(real.pairs.size()),
                              rows.end());
  embeddings.text = embed_texts(judge.model, distinct.texts);
  embeddings.caption = distinct.place;
  return embeddings;
}

}  // namespace sarsweep::trainer
