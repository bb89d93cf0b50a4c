#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "trainer/core/config/run_config.h"
#include "trainer/core/schedule/lr_schedule.h"
#include "trainer/torch/model/pipeline.h"
#include "trainer/torch/training/train_batch.h"

// Training with its randomness supplied, so that any other implementation can be compared number by
// number: the very steps of a run, without data, caches or draws.
namespace sarsweep::trainer {

// The rows of a replay file, one per image in the order of consumption: `latents` [S,4,h,w] or
// `pixels` [S,3,H,W] with `posterior_noise`, `noise`, `offset_noise` [S,4,1,1], `timesteps` [S],
// `input_ids` and `input_ids_2` [S,77], `time_ids` [S,6], `drop` [S]. Throws Error(invalid) for an
// unknown name, unequal lengths or a missing tensor.
TrainBatch parse_replay_inputs(const NamedTensors& tensors);
// The inverse, of a batch whose captions are ids.
NamedTensors replay_tensors(const TrainBatch& batch);

// What a file's rows do not tell of the run they were recorded of.
struct RecordedRun {
  LrSchedule schedule;
  std::int64_t epoch_images = 0;  // of its training split; 0: the rows are one epoch
};
// As the file's metadata, and back: nullopt where there are none, and the rows are a run of their
// own. Throws Error(invalid).
using FileMetadata = std::map<std::string, std::string>;
FileMetadata replay_metadata(const RecordedRun& run);
std::optional<RecordedRun> parse_replay_metadata(const FileMetadata& metadata);

struct ReplayResult {
  // {"micro": [{loss, diffusion, rayleigh?, histogram?, anchor?}], "updates": [{loss, grad_norm}]};
  // a pass's numbers are means over its images, an update's loss is the mean over its images,
  // grad_norm is before clipping. The refinement terms are not weighted; images that were not
  // refined count as 0, and a pass without a refined one has no terms. Job vae has l1 in place of
  // diffusion.
  nlohmann::json losses;
  NamedTensors weights;          // trained tensors after the last update, and "ema.<name>"
  NamedTensors first_gradients;  // of update 0, before clipping
};

// Takes the rows epoch after epoch, one epoch unless `recorded` tells otherwise: an update takes
// global_batch of them, in passes of micro_batch (auto: the whole update); the last rows of an
// epoch obey train.tail, and what `drop` leaves out is no row. An update for which rows are missing
// does not run. `init` (may be empty): where trained tensors start, by trained name. train.epochs
// and train.steps only shape the learning rate, unless `recorded` gives it; the rows decide how
// many updates run.
ReplayResult replay_run(Pipeline& pipeline, const RunConfig& config, std::uint64_t seed,
                        const TrainBatch& inputs, const NamedTensors& init,
                        const std::optional<RecordedRun>& recorded = std::nullopt);

}  // namespace sarsweep::trainer
