#include "trainer/core/run/checkpoint_dir.h"

#include <algorithm>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "schema/protocol/run_dir.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 1;

[[noreturn]] void fail(const fs::filesystem_error& error) {
  throw Error(code_of_errno(error.code().value()), error.what());
}

[[noreturn]] void refuse(const fs::path& folder, const std::string& why) {
  throw Error(ErrorCode::invalid, "checkpoint " + folder.string() + " is damaged: " + why);
}

json read_manifest(const fs::path& folder, const std::string& text) {
  json manifest;
  try {
    manifest = parse_json(text, (folder / run_dir::kManifest).string());
  } catch (const Error& error) {
    refuse(folder, error.what());
  }
  const bool shaped = manifest.is_object() && manifest.contains("version") &&
                      manifest["version"] == kVersion && manifest.contains("step") &&
                      manifest["step"].is_number_unsigned() && manifest.contains("files") &&
                      manifest["files"].is_object();
  if (!shaped) refuse(folder, "manifest.json lacks version 1, step or files");
  return manifest;
}

void verify_file(const fs::path& folder, const std::string& name, const json& expected) {
  const bool shaped = expected.is_object() && expected.contains("size") &&
                      expected["size"].is_number_unsigned() && expected.contains("sha256") &&
                      expected["sha256"].is_string();
  if (!shaped || fs::path(name).filename() != name) {
    refuse(folder, "the manifest's entry '" + name + "' is malformed");
  }
  std::error_code error;
  const std::uintmax_t size = fs::file_size(folder / name, error);
  if (error) refuse(folder, name + " is missing");
  if (size != expected["size"].get<std::uintmax_t>()) {
    refuse(folder,
           name + " has " + std::to_string(size) + " bytes instead of " + expected["size"].dump());
  }
  if (sha256_file(folder / name) != expected["sha256"].get<std::string>()) {
    refuse(folder, name + " does not match its SHA-256");
  }
}

json describe_files(const fs::path& folder) {
  json files = json::object();
  for (const auto& entry : fs::directory_iterator(folder)) {
    sync_path(entry.path());
    files[entry.path().filename().string()] = {{"size", entry.file_size()},
                                               {"sha256", sha256_file(entry.path())}};
  }
  return files;
}

bool is_checkpoint_name(const std::string& name) {
  constexpr std::string_view kPrefix = "step-";
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
         std::all_of(name.begin() + kPrefix.size(), name.end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

CheckpointWriter::CheckpointWriter(const fs::path& checkpoints, long step) try
    : final_(checkpoints / run_dir::step_name(step)), temporary_(final_), step_(step) {
  temporary_ += ".tmp";
  fs::remove_all(temporary_);
  fs::create_directories(temporary_);
} catch (const fs::filesystem_error& error) {
  fail(error);
}

CheckpointWriter::~CheckpointWriter() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

SealedCheckpoint CheckpointWriter::commit(const json& facts) try {
  if (fs::exists(final_)) {
    try {
      return verify_checkpoint(final_);
    } catch (const Error&) {
      fs::path aside = final_;
      aside += ".damaged";
      fs::remove_all(aside);
      fs::rename(final_, aside);
    }
  }
  json manifest = facts.is_object() ? facts : json::object();
  manifest["version"] = kVersion;
  manifest["step"] = static_cast<std::uint64_t>(step_);
  manifest["files"] = describe_files(temporary_);
  const std::string text = canonical_json(manifest);
  write_file_atomically(temporary_ / run_dir::kManifest, text);
  sync_path(temporary_);
  fs::rename(temporary_, final_);
  sync_path(final_.parent_path());
  std::uintmax_t bytes = text.size();
  for (const auto& file : manifest["files"]) bytes += file["size"].get<std::uintmax_t>();
  return {final_, step_, sha256(text), bytes, std::move(manifest)};
} catch (const fs::filesystem_error& error) {
  fail(error);
}

SealedCheckpoint verify_checkpoint(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw Error(ErrorCode::not_found, "there is no checkpoint " + folder.string());
  }
  std::error_code unreadable;  // a link to itself, say
  if (!fs::is_regular_file(folder / run_dir::kManifest, unreadable)) {
    refuse(folder, "it has no manifest.json");
  }
  const std::string text = read_file(folder / run_dir::kManifest);
  SealedCheckpoint checkpoint{folder, 0, sha256(text), text.size(), read_manifest(folder, text)};
  checkpoint.step = checkpoint.manifest["step"].get<long>();
  for (const auto& [name, expected] : checkpoint.manifest["files"].items()) {
    verify_file(folder, name, expected);
    checkpoint.bytes += expected["size"].get<std::uintmax_t>();
  }
  return checkpoint;
}

std::vector<fs::path> list_checkpoints(const fs::path& checkpoints) {
  std::vector<fs::path> folders;
  if (!fs::is_directory(checkpoints)) return folders;
  for (const auto& entry : fs::directory_iterator(checkpoints)) {
    if (entry.is_directory() && is_checkpoint_name(entry.path().filename().string())) {
      folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end(), [](const fs::path& a, const fs::path& b) {
    const std::string left = a.filename().string(), right = b.filename().string();
    return left.size() != right.size() ? left.size() > right.size() : left > right;
  });
  return folders;
}

std::vector<ResumeCandidate> resume_candidates(const json& resume, const fs::path& checkpoints) {
  std::vector<ResumeCandidate> candidates;
  if (resume.is_null()) return candidates;
  if (resume == "auto") {
    for (const fs::path& folder : list_checkpoints(checkpoints)) candidates.push_back({folder, {}});
    return candidates;
  }
  if (!resume.is_array()) {
    throw Error(ErrorCode::invalid, "resume must be a list or \"auto\" (got " + resume.dump() + ")",
                "resume");
  }
  for (const json& entry : resume) {
    if (!entry.is_object() || !entry.contains("checkpoint") || !entry["checkpoint"].is_string()) {
      throw Error(ErrorCode::invalid,
                  "an entry of resume must be {checkpoint, step, manifest_sha256} (got " +
                      entry.dump() + ")",
                  "resume");
    }
    candidates.push_back(
        {entry["checkpoint"].get<std::string>(), entry.value("manifest_sha256", "")});
  }
  return candidates;
}

ResumeChoice choose_checkpoint(const std::vector<ResumeCandidate>& candidates) {
  ResumeChoice choice;
  for (const ResumeCandidate& candidate : candidates) {
    try {
      SealedCheckpoint checkpoint = verify_checkpoint(candidate.path);
      if (!candidate.manifest_sha256.empty() &&
          candidate.manifest_sha256 != checkpoint.manifest_sha256) {
        refuse(candidate.path, "its manifest is not the one that was recorded");
      }
      choice.checkpoint = std::move(checkpoint);
      return choice;
    } catch (const Error& error) {
      choice.refused.emplace_back(error.what());
    }
  }
  return choice;
}

}  // namespace sarsweep::trainer
