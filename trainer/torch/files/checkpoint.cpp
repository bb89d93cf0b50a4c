#include "trainer/torch/files/checkpoint.h"

#include <string>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/torch/files/tensor_file.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeights = "weights.safetensors";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kEma = "ema.safetensors";
constexpr const char* kState = "state.json";
constexpr const char* kModel = "model.json";
constexpr int kMostBelow = 16;

nlohmann::json read_json(const fs::path& file) {
  return parse_json(read_file(file), file.string());
}

}  // namespace

void require_end(const fs::path& checkpoint, int depth) {
  if (depth <= kMostBelow) return;
  throw Error(ErrorCode::invalid, "checkpoint " + checkpoint.string() + ": more than " +
                                      std::to_string(kMostBelow) +
                                      " checkpoints lie over each other");
}

SealedCheckpoint save_checkpoint(const fs::path& checkpoints, const CheckpointContents& contents,
                                 const nlohmann::json& facts) {
  CheckpointWriter writer(checkpoints, contents.step);
  save_tensors(writer.folder() / kWeights, contents.weights, DType::f32);
  save_tensors(writer.folder() / kOptimizer, contents.optimizer, DType::f32);
  if (!contents.ema.empty()) save_tensors(writer.folder() / kEma, contents.ema, DType::f32);
  write_file_atomically(writer.folder() / kState, canonical_json(contents.state));
  write_file_atomically(writer.folder() / kModel, canonical_json(contents.model));
  return writer.commit(facts);
}

CheckpointContents load_checkpoint(const SealedCheckpoint& checkpoint) {
  CheckpointContents contents;
  contents.step = checkpoint.step;
  contents.weights = load_tensors(checkpoint.path / kWeights);
  contents.optimizer = load_tensors(checkpoint.path / kOptimizer);
  if (checkpoint.manifest["files"].contains(kEma))
    contents.ema = load_tensors(checkpoint.path / kEma);
  contents.state = read_json(checkpoint.path / kState);
  contents.model = read_json(checkpoint.path / kModel);
  return contents;
}

}  // namespace sarsweep::trainer
