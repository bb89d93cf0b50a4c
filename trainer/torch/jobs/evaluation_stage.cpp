#include "trainer/torch/jobs/evaluation_stage.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <map>
#include <optional>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "trainer/core/metrics/evaluation.h"
#include "trainer/torch/jobs/evaluation_protocol.h"
#include "trainer/torch/jobs/evaluation_record.h"
#include "trainer/torch/jobs/judge.h"
#include "trainer/torch/jobs/pictures.h"
#include "trainer/torch/sampling/sampler.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

constexpr std::size_t kChunk = 16;  // pictures between two looks at the signals
// Small pictures are sampled together on a CPU as well, always the same ones; a chunk of them keeps
// eight threads busy.
constexpr int kTogether = 8;
constexpr std::size_t kSmallChunk = 64;
constexpr int kSmall = 256;  // pixels a side

struct Protocol {
  json block;
  std::vector<std::int64_t> seeds;
  SampleOptions sampling;
};

std::vector<std::int64_t> parse_seeds(const json& value) {
  if (value.is_array()) return value.get<std::vector<std::int64_t>>();
  std::vector<std::int64_t> seeds(value.is_number_integer() ? value.get<std::size_t>() : 1);
  for (std::size_t i = 0; i < seeds.size(); ++i) seeds[i] = static_cast<std::int64_t>(i);
  return seeds;
}

Protocol parse_protocol(const json& block, const EvaluationRequest& request, int resolution) {
  try {
    Protocol protocol;
    protocol.block = block;
    if (request.reconstruct) protocol.block["pictures"] = "vae_pass";
    protocol.seeds = parse_seeds(block.value("seeds_per_image", json(1)));
    protocol.sampling.sampler = block.value("sampler", protocol.sampling.sampler);
    protocol.sampling.steps = block.value("steps", protocol.sampling.steps);
    protocol.sampling.cfg = block.value("cfg", protocol.sampling.cfg);
    protocol.sampling.height = protocol.sampling.width = resolution;
    protocol.sampling.batch = static_cast<int>(kChunk);
    protocol.sampling.cpu_batch = kTogether;
    return protocol;
  } catch (const json::exception& error) {
    throw Error(ErrorCode::invalid,
                std::string("run.json: a key of protocol has the wrong type: ") + error.what(),
                "protocol");
  }
}

at::Device device_of(const Pipeline& pipeline) {
  return pipeline.vae.parameters().front().second.device();
}

// One evaluation: the items, and the pictures as they are made.
class Evaluation {
 public:
  Evaluation(RunContext& run, const Pipeline& pipeline, const DataOptions& options,
             const EvaluationRequest& request)
      : run_(run),
        pipeline_(pipeline),
        request_(request),
        protocol_(parse_protocol(run.file().protocol, request, options.resolution)),
        chosen_(protocol_items(protocol_.block, options, request.split)),
        data_(chosen_.data),
        items_(chosen_.items),
        invertible_(data_.stretch().invertible()),
        judge_(load_judge(run, device_of(pipeline))) {
    protocol_.block["split"] = chosen_.split;
    if (!invertible_) protocol_.block["stretch"] = "run";
    if (judge_) protocol_.block["clip"] = judge_->digest;
    input_.stretch =
        invertible_ ? judged_stretch(protocol_.block, options, data_.stretch()) : Stretch{};
    const JudgedCaptions judged = judged_captions(protocol_.block, data_, chosen_.split);
    captions_ = judged.texts;
    protocol_.block["hash"] =
        protocol_hash(protocol_.block, judged.data_digest, options.resolution);
    input_.protocol = protocol_.block;
    input_.threads = at::get_num_threads();
  }

  json judge() {
    pass_through_vae();
    for (const std::int64_t seed : protocol_.seeds) {
      if (request_.reconstruct) {
        add_pairs(0, items_.size(), seed, input_.vae_pass);
      } else {
        generate(seed);
      }
    }
    run_.check_stop();
    const LongWork measuring(run_.ranks());
    if (judge_) ask_judge();
    return evaluate(input_);
  }

 private:
  AmplitudeImage linear(AmplitudeImage stretched) const {
    return invertible_ ? data_.stretch().inverse(stretched) : std::move(stretched);
  }
  AmplitudeImage real(std::size_t item) const {
    return invertible_ ? data_.amplitude(item) : data_.stretched(item);
  }

  void pass_through_vae() {
    for (std::size_t begin = 0; begin < items_.size(); begin += kChunk) {
      run_.stage("vae_pass", static_cast<long>(begin), static_cast<long>(items_.size()));
      std::vector<AmplitudeImage> images;
      for (std::size_t i = begin; i < std::min(begin + kChunk, items_.size()); ++i) {
        images.push_back(data_.stretched(items_[i]));
      }
      for (AmplitudeImage& passed : reconstruct(pipeline_.vae, images)) {
        input_.vae_pass.push_back(linear(std::move(passed)));
      }
    }
  }

  void generate(std::int64_t seed) {
    const long total = static_cast<long>(items_.size());
    const std::size_t chunk = protocol_.sampling.height <= kSmall ? kSmallChunk : kChunk;
    for (std::size_t begin = 0; begin < items_.size(); begin += chunk) {
      run_.stage("evaluate", static_cast<long>(begin), total);
      const std::size_t end = std::min(begin + chunk, items_.size());
      std::vector<PictureRequest> requests;
      for (std::size_t i = begin; i < end; ++i) {
        requests.push_back(
            {data_.items()[items_[i]].prompt, seed, static_cast<std::int64_t>(i), {}});
      }
      const at::Tensor pictures = sample_images(pipeline_, requests, protocol_.sampling,
                                                [this] { return run_.stopping(); });
      std::vector<AmplitudeImage> generated;
      for (std::int64_t i = 0; i < pictures.size(0); ++i) {
        generated.push_back(linear(amplitude_of(pictures[i])));
      }
      add_pairs(begin, end, seed, generated);
    }
    run_.stage("evaluate", total, total);
  }

  // Pairs items [begin, end) with `generated`.
  void add_pairs(std::size_t begin, std::size_t end, std::int64_t seed,
                 const std::vector<AmplitudeImage>& generated) {
    for (std::size_t i = begin; i < end; ++i) {
      const DataItem& item = data_.items()[items_[i]];
      input_.pairs.push_back(
          {item.file_name, item.label, seed, real(items_[i]), generated[i - begin]});
    }
  }

  // Pairs come seed by seed, each in the order of the items.
  void ask_judge() {
    std::vector<std::string> captions;
    for (std::size_t i = 0; i < input_.pairs.size(); ++i) {
      captions.push_back(captions_[items_[i % items_.size()]]);
    }
    input_.clip = judge_pairs(*judge_, input_, captions, [this](std::size_t done, std::size_t all) {
      run_.stage("judge", static_cast<long>(done), static_cast<long>(all));
    });
    run_.check_stop();
  }

  RunContext& run_;
  const Pipeline& pipeline_;
  const EvaluationRequest& request_;
  Protocol protocol_;
  ProtocolItems chosen_;
  const Dataset& data_;
  const std::vector<std::size_t>& items_;
  bool invertible_;
  std::optional<ClipSource> judge_;
  std::vector<std::string> captions_;  // the judge's, an item of data_ each
  EvaluationInput input_;
};

}  // namespace

void evaluate_model(RunContext& run, const Pipeline& pipeline, const DataOptions& options,
                    const EvaluationRequest& request) {
  if (run.file().protocol.is_null()) return;
  const c10::NoGradGuard no_grad;
  Evaluation evaluation(run, pipeline, options, request);
  record_evaluation(run, request.prefix, request.step, evaluation.judge());
}

void require_evaluable(const RunContext& run, const DataOptions& options, const Stretch& stretch) {
  const json& block = run.file().protocol;
  if (block.is_null()) return;
  parse_protocol(block, {}, options.resolution);
  check_protocol(block);
  require_judge(run);
  std::vector<std::string> splits = {""};
  if (run.stages().eval_every.amount > 0) splits.emplace_back("val");
  for (const std::string& split : splits) {
    const ProtocolItems chosen = protocol_items(block, options, split, stretch);
    require_readable(chosen.data, chosen.items);
    judged_captions(block, chosen.data, chosen.split);
  }
}

void check_evaluation(const RunContext& run, const Pipeline& pipeline, const DataOptions& options) {
  if (run.file().protocol.is_null()) return;
  check_sampling(pipeline, parse_protocol(run.file().protocol, {}, options.resolution).sampling);
}

std::vector<std::string> default_prompts(const Dataset& data, int per_label, std::size_t count) {
  std::map<std::string, std::vector<std::string>> by_label;
  std::size_t rounds = 0;
  for (const std::size_t index : evaluation_items(data, per_label)) {
    std::vector<std::string>& known = by_label[data.items()[index].label];
    const std::string& prompt = data.items()[index].prompt;
    if (std::find(known.begin(), known.end(), prompt) == known.end()) known.push_back(prompt);
    rounds = std::max(rounds, known.size());
  }
  std::vector<std::string> prompts;
  for (std::size_t round = 0; round < rounds; ++round) {
    for (const auto& [label, known] : by_label) {
      if (round < known.size() && prompts.size() < count) prompts.push_back(known[round]);
    }
  }
  return prompts;
}

}  // namespace sarsweep::trainer
