#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

// The folder of a checkpoint, whatever it holds. It is written as step-….tmp; every file is synced;
// manifest.json comes last; then one rename. A folder without a valid manifest does not exist.
//
//   manifest.json  {"version": 1, "step": N, "files": {name: {"size": bytes, "sha256": hex}},
//   …facts}
namespace sarsweep::trainer {

// A checkpoint whose every byte was checked against its manifest.
struct SealedCheckpoint {
  std::filesystem::path path;
  long step = 0;
  std::string manifest_sha256;
  std::uintmax_t bytes = 0;  // of all files, manifest included
  nlohmann::json manifest;
};

// One checkpoint being written. Not committed = removed by the destructor.
class CheckpointWriter {
 public:
  // Makes <checkpoints>/step-….tmp, empty: a leftover of a killed process is replaced. Throws as
  // commit().
  CheckpointWriter(const std::filesystem::path& checkpoints, long step);
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  const std::filesystem::path& folder() const { return temporary_; }
  // Seals what lies in folder(). `facts` (config hash, threads, …) go into the manifest. An intact
  // checkpoint of this step that is already there is kept and returned; a damaged one is moved to
  // step-….damaged. Throws Error(no_space) on a full disk, Error(internal) where it fails.
  SealedCheckpoint commit(const nlohmann::json& facts);

 private:
  std::filesystem::path final_, temporary_;
  long step_;
};

// Reads the manifest and compares size and SHA-256 of every file it lists. Throws Error(invalid)
// that names the file at fault, Error(not_found) where there is no folder.
SealedCheckpoint verify_checkpoint(const std::filesystem::path& folder);

// The step-… folders under `checkpoints`, newest first, temporary ones left out; not verified.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& checkpoints);

// A checkpoint to resume from, as run.json names it. An empty manifest_sha256 accepts any.
struct ResumeCandidate {
  std::filesystem::path path;
  std::string manifest_sha256;
};
// The `resume` value of run.json: a list, or "auto" = what lies under `checkpoints`.
std::vector<ResumeCandidate> resume_candidates(const nlohmann::json& resume,
                                               const std::filesystem::path& checkpoints);

struct ResumeChoice {
  std::optional<SealedCheckpoint> checkpoint;  // nullopt: start at step 0
  std::vector<std::string> refused;            // one sentence per damaged candidate that was newer
};
// The first intact candidate.
ResumeChoice choose_checkpoint(const std::vector<ResumeCandidate>& candidates);

}  // namespace sarsweep::trainer
