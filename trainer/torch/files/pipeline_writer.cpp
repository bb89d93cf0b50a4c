#include "schema/base/atomic_file.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/tensor_file.h"
#include "trainer/torch/files/whole_folder.h"
#include "trainer/torch/model/pipeline.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

void write_document(const fs::path& file, const nlohmann::json& document) {
  fs::create_directories(file.parent_path());
  write_file_atomically(file, document.dump(2) + "\n");
}

void write_weights(const fs::path& folder, PipelinePart part,
                   const std::vector<PartTensor>& tensors, const TensorSource& weights,
                   std::optional<DType> dtype) {
  std::vector<PartTensor> own;
  for (const PartTensor& tensor : tensors) {
    if (tensor.part == part) own.push_back(tensor);
  }
  save_streamed(
      weight_file(kind_of(part), folder), own.size(),
      [&](std::size_t i) {
        return TensorToWrite{own[i].name, dtype.value_or(weights.dtype(own[i])), own[i].shape};
      },
      [&](std::size_t i) { return weights.read(own[i]); });
}

void write_tokenizer(const fs::path& folder, const Tokenizer& tokenizer) {
  fs::create_directories(folder);
  tokenizer.save(folder);
}

// What a folder holds, wherever its parts come from.
struct Contents {
  const json& configs;
  const Tokenizer &tokenizer, &tokenizer_2;
  const TensorSource& weights;
  std::optional<DType> dtype;
};

void write_contents(const Contents& contents, const fs::path& folder) {
  const std::vector<PartTensor> tensors = pipeline_tensors(contents.configs);
  for (const PipelinePart part : {PipelinePart::unet, PipelinePart::vae, PipelinePart::text_encoder,
                                  PipelinePart::text_encoder_2}) {
    const std::string name(to_string(part));
    write_document(folder / name / "config.json", contents.configs.at(name));
    write_weights(folder / name, part, tensors, contents.weights, contents.dtype);
  }
  write_tokenizer(folder / "tokenizer", contents.tokenizer);
  write_tokenizer(folder / "tokenizer_2", contents.tokenizer_2);
  write_document(folder / "scheduler" / "scheduler_config.json", contents.configs.at("scheduler"));
  write_document(folder / "model_index.json", contents.configs.at("model_index"));
}

void write_folder(const Contents& contents, const fs::path& folder) {
  write_whole_folder(folder, [&](const fs::path& place) { write_contents(contents, place); });
}

}  // namespace

void save_pipeline(const Pipeline& pipeline, const fs::path& folder, DType dtype) {
  write_folder({configs_of(pipeline), pipeline.tokenizer, pipeline.tokenizer_2,
                PipelineTensors(pipeline), dtype},
               folder);
}

void save_pipeline(const PipelineDocuments& documents, const TensorSource& weights,
                   const fs::path& folder, std::optional<DType> dtype) {
  write_folder({documents.configs, documents.tokenizer, documents.tokenizer_2, weights, dtype},
               folder);
}

}  // namespace sarsweep::trainer
