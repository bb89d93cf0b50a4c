// How much memory loading and saving takes, by the kernel's own count of this process.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "tests/support/referee.h"
#include "trainer/torch/files/pipeline_folder.h"
#include "trainer/torch/files/single_file.h"

namespace sarsweep::trainer {
namespace {

namespace fs = std::filesystem;
using tests::TemporaryFolder;

constexpr std::size_t kMiB = 1 << 20;
// Of tokenizers, JSON and the allocator; far less than half a model.
constexpr std::size_t kSlack = 48 * kMiB;

std::size_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) return std::stoul(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

// Forgets the highest use so far; false where the system does not offer that.
bool reset_peak() {
  ::malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";
  return status_bytes("VmHWM") <= status_bytes("VmRSS") + kMiB;
}

struct Sizes {
  std::size_t model = 0, largest = 0;
};

Sizes sizes_of(const Pipeline& pipeline) {
  Sizes sizes;
  for (const PartTensor& tensor : pipeline_tensors(pipeline)) {
    std::size_t bytes = sizeof(float);
    for (const std::int64_t extent : tensor.shape) bytes *= static_cast<std::size_t>(extent);
    sizes.model += bytes;
    sizes.largest = std::max(sizes.largest, bytes);
  }
  return sizes;
}

// What `work` needs at its height beyond what was there before.
template <typename Work>
std::size_t added_peak(const Work& work) {
  const std::size_t before = status_bytes("VmRSS");
  work();
  return status_bytes("VmHWM") - before;
}

class LoadingMemory : public testing::Test {
 protected:
  void SetUp() override {
    vocabulary_ = tests::open_clip_vocabulary();
    if (!vocabulary_) GTEST_SKIP() << "open_clip's vocabulary is not in .venv";
    if (!reset_peak()) GTEST_SKIP() << "the peak of the memory cannot be reset here";
    const Pipeline pipeline = init_pipeline(preset_configs("small"), 1, *vocabulary_);
    sizes_ = sizes_of(pipeline);
    ASSERT_GT(sizes_.model, 3 * (sizes_.largest + kSlack)) << "too small to tell anything";
    save_pipeline(pipeline, folder_ / "model", DType::f32);
    save_single_file(pipeline, folder_ / "model.safetensors", DType::f32);
  }
  const TemporaryFolder folder_;
  std::optional<fs::path> vocabulary_;
  Sizes sizes_;
};

TEST_F(LoadingMemory, AFolderTakesTheModelAndOneTensor) {
  ASSERT_TRUE(reset_peak());
  std::optional<Pipeline> pipeline;
  const std::size_t peak = added_peak([&] { pipeline.emplace(load_pipeline(folder_ / "model")); });
  EXPECT_GE(peak, sizes_.model) << "the measure sees the model";
  EXPECT_LE(peak, sizes_.model + sizes_.largest + kSlack);
}

TEST_F(LoadingMemory, ASingleFileTakesTheModelAndOneTensor) {
  ASSERT_TRUE(reset_peak());
  std::optional<Pipeline> pipeline;
  const std::size_t peak = added_peak(
      [&] { pipeline.emplace(load_single_file(folder_ / "model.safetensors", *vocabulary_)); });
  EXPECT_LE(peak, sizes_.model + sizes_.largest + kSlack);
}

TEST_F(LoadingMemory, SavingInAnotherTypeTakesOneTensor) {
  const Pipeline pipeline = load_pipeline(folder_ / "model");
  ASSERT_TRUE(reset_peak());
  const std::size_t peak = added_peak([&] {
    save_pipeline(pipeline, folder_ / "half", DType::f16);
    save_single_file(pipeline, folder_ / "half.safetensors", DType::f16);
  });
  EXPECT_LE(peak, sizes_.largest + kSlack);
}

// From file to file: three tensors where query, key and value are stacked.
TEST_F(LoadingMemory, ConvertingHoldsNoModel) {
  ASSERT_TRUE(reset_peak());
  const std::size_t peak = added_peak([&] {
    const PipelineDocuments documents = read_documents(folder_ / "model");
    const FolderTensors weights(folder_ / "model", pipeline_tensors(documents.configs));
    save_single_file(documents.configs, weights, folder_ / "other.safetensors", std::nullopt);
  });
  EXPECT_LE(peak, 2 * sizes_.largest + kSlack);
}

}  // namespace
}  // namespace sarsweep::trainer
