#include "trainer/torch/files/embeddings_file.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include "schema/base/error.h"
#include "tests/support/referee.h"
#include "tests/trainer/torch/tiny_pipeline.h"
#include "trainer/torch/files/tensor_file.h"
#include "trainer/torch/model/learned_tokens.h"

namespace sarsweep::trainer {
namespace {

using testing::HasSubstr;
using tests::TemporaryFolder;

TokenEmbeddings two_rows() {
  return {tests::normal_tensor({2, 32}, "l"), tests::normal_tensor({2, 64}, "g")};
}

TEST(EmbeddingsFile, ComesBackAsSaved) {
  const TemporaryFolder folder;
  const TokenEmbeddings saved = two_rows();
  save_embeddings(folder / "e", saved, DType::f32, {{"token", "<SAR>"}});
  const TokenEmbeddings loaded = load_embeddings(folder / "e");
  EXPECT_TRUE(at::equal(loaded.clip_l, saved.clip_l));
  EXPECT_TRUE(at::equal(loaded.clip_g, saved.clip_g));
  EXPECT_EQ(SafetensorsFile(folder / "e").metadata().at("token"), "<SAR>");
  save_embeddings(folder / "half", saved, DType::f16);
  EXPECT_TRUE(at::equal(load_embeddings(folder / "half").clip_g,
                        saved.clip_g.to(at::kHalf).to(at::kFloat)));
}

TEST(EmbeddingsFile, AVectorIsOneRow) {
  const TemporaryFolder folder;
  save_tensors(folder / "e", {{"clip_l", at::ones({4})}, {"clip_g", at::ones({6})}});
  EXPECT_EQ(load_embeddings(folder / "e").clip_g.sizes(), at::IntArrayRef({1, 6}));
}

std::string refusal(const NamedTensors& tensors) {
  const TemporaryFolder folder;
  save_tensors(folder / "e", tensors);
  try {
    load_embeddings(folder / "e");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    return error.what();
  }
  return {};
}

TEST(EmbeddingsFile, RefusesWhatIsNoPairOfMatrices) {
  const at::Tensor rows = at::ones({2, 4});
  EXPECT_THAT(refusal({{"clip_l", rows}}), HasSubstr("has no clip_g"));
  EXPECT_THAT(refusal({{"clip_l", rows}, {"clip_g", at::ones({3, 4})}}),
              HasSubstr("clip_l has 2 rows, clip_g has 3"));
  EXPECT_THAT(refusal({{"emb_params", rows}}), HasSubstr("\"emb_params\" is neither"));
  EXPECT_THAT(refusal({{"clip_l", rows}, {"clip_g", at::arange(8).view({2, 4})}}),
              HasSubstr("clip_g is no matrix"));
  const TemporaryFolder folder;
  EXPECT_THROW(save_embeddings(folder / "e", {rows, at::ones({1, 4})}, DType::f32), Error);
}

// Their text encoders hold the rows afterwards, at the id of the new token, and make of a prompt
// what ours make.
TEST(EmbeddingsFile, DiffusersLoadsTheRowsAndEncodesAsWeDo) {
  if (!tests::referee_present()) GTEST_SKIP() << "no .venv-test";
  if (!tests::open_clip_vocabulary()) GTEST_SKIP() << "open_clip's vocabulary is not in .venv";
  const TemporaryFolder folder;
  Pipeline pipeline = tests::tiny_pipeline(3);
  save_pipeline(pipeline, folder / "model", DType::f32);
  const TokenEmbeddings rows = {tests::normal_tensor({1, 32}, "l"),
                                tests::normal_tensor({1, 64}, "g")};
  save_embeddings(folder / "e.safetensors", rows, DType::f32);
  set_learned_tokens(pipeline, {"<SAR>"}, rows.clip_l, rows.clip_g);
  const Conditioning ours = encode_prompts(pipeline, {"a <SAR> tank", "a tank"});
  save_tensors(folder / "ours.safetensors", {{"context", ours.context}, {"pooled", ours.pooled}});
  const auto referee = tests::run_referee(
      "generation_referee.py",
      {"embeddings", folder / "model", folder / "ours.safetensors", folder / "e.safetensors"});
  EXPECT_EQ(referee.exit_code, 0) << referee.output;
}

}  // namespace
}  // namespace sarsweep::trainer
