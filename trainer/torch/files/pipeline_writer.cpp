#include <fmt/format.h>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/base/error.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/tensor_file.h"
#include "trainer/torch/files/weight_files.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;

void write_document(const fs::path& file, const nlohmann::json& document) {
  fs::create_directories(file.parent_path());
  write_file_atomically(file, document.dump(2) + "\n");
}

void write_part(const fs::path& folder, const Component& component, WeightKind kind,
                const nlohmann::json& config, DType dtype) {
  write_document(folder / "config.json", config);
  save_tensors(weight_file(kind, folder), component.parameters(), dtype);
}

void write_tokenizer(const fs::path& folder, const Tokenizer& tokenizer) {
  fs::create_directories(folder);
  tokenizer.save(folder);
}

void write_parts(const Pipeline& pipeline, const fs::path& folder, DType dtype) {
  write_part(folder / "unet", pipeline.unet, WeightKind::unet, pipeline.unet.config().json, dtype);
  write_part(folder / "vae", pipeline.vae, WeightKind::vae, pipeline.vae.config().json, dtype);
  write_part(folder / "text_encoder", pipeline.text_encoder, WeightKind::text_encoder,
             pipeline.text_encoder.config().json, dtype);
  write_part(folder / "text_encoder_2", pipeline.text_encoder_2, WeightKind::text_encoder,
             pipeline.text_encoder_2.config().json, dtype);
  write_tokenizer(folder / "tokenizer", pipeline.tokenizer);
  write_tokenizer(folder / "tokenizer_2", pipeline.tokenizer_2);
  write_document(folder / "scheduler" / "scheduler_config.json", pipeline.scheduler.json);
  write_document(folder / "model_index.json", pipeline.model_index);
}

// Removed with all it holds unless it was renamed before.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const fs::path& target)
      : path_(target.string() + ".tmp-" + random_hex(4)) {
    fs::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

void save_pipeline(const Pipeline& pipeline, const fs::path& folder, DType dtype) try {
  // "a/b/" names the folder a/b.
  const fs::path target = folder.has_filename() ? folder : folder.parent_path();
  if (fs::exists(target) && !fs::is_empty(target)) {
    throw Error(ErrorCode::conflict, fmt::format("{} exists and is not empty", target.string()));
  }
  const TemporaryFolder temporary(target);
  write_parts(pipeline, temporary.path(), dtype);
  sync_path(temporary.path());
  fs::rename(temporary.path(), target);  // Replaces an empty folder.
  sync_path(fs::absolute(target).parent_path());
} catch (const fs::filesystem_error& error) {
  throw Error(ErrorCode::internal,
              fmt::format("cannot write {}: {}", folder.string(), error.what()));
}

}  // namespace sarsweep::trainer
