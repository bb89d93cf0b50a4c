#pragma once

#include <cstdint>
#include <vector>

#include "trainer/core/config/run_config.h"
#include "trainer/core/schedule/accumulation.h"
#include "trainer/dist/communicator.h"
#include "trainer/torch/clip/clip_model.h"
#include "trainer/torch/training/micro_losses.h"
#include "trainer/torch/training/update_rule.h"

namespace sarsweep::trainer {

// The pairs of one pass, on the CPU.
struct PairBatch {
  at::Tensor codes;  // [n,S,S] u8, as clip_codes
  at::Tensor ids;    // [n,L] int64, as clip_ids
};

// The training step of job clip. Every pair of an update is told from all others of it, however
// few a pass takes: embeddings are made without graph first, the loss gives their gradients, and
// each pass is made again with its own (gradient caching, arXiv 2101.06983). An update is:
// accumulate(), then rule().apply(index), then bound_scale(). One thread; the model must outlive
// the step.
class ClipStep {
 public:
  // requires_grad is on where clip.towers says, and for logit_scale, and off elsewhere.
  ClipStep(ClipModel& model, const RunConfig& config, LrSchedule schedule);

  // Leaves the gradients of the mean of contrastive_losses over the `update` pairs of all ranks,
  // of which `passes` are this rank's: `share` of them. Sums over the ranks are the caller's; only
  // the first rank has a gradient of logit_scale. Returns the losses of this rank's pairs.
  MicroLosses accumulate(Communicator& ranks, const UpdateRange& update, const UpdateRange& share,
                         const std::vector<PairBatch>& passes);
  // The same losses without graph, of a pool that is these passes alone.
  at::Tensor losses(const std::vector<PairBatch>& passes) const;
  void bound_scale();

  UpdateRule& rule() { return rule_; }

 private:
  struct Embeddings {
    at::Tensor pictures, captions;  // [n,p] each
  };
  Embeddings embed(const std::vector<PairBatch>& passes) const;
  void propagate(const PairBatch& pass, const Embeddings& gradients) const;

  ClipModel& model_;
  ClipTraining config_;
  at::ScalarType type_;
  UpdateRule rule_;
};

}  // namespace sarsweep::trainer
