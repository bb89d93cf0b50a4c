#include "trainer/torch/model/learned_tokens.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "schema/base/error.h"
#include "tests/trainer/torch/tiny_pipeline.h"

namespace sarsweep::trainer {
namespace {

using tests::normal_tensor;
using tests::tiny_pipeline;

constexpr const char* kTable = "text_model.embeddings.token_embedding.weight";

class LearnedTokens : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests::open_clip_vocabulary()) GTEST_SKIP() << "needs open_clip's vocabulary";
    pipeline_.emplace(tiny_pipeline(3));
  }
  const at::Tensor& row_of_first() const { return pipeline_->text_encoder.token_rows(); }
  at::Tensor table() const { return pipeline_->text_encoder.parameter(kTable); }

  std::optional<Pipeline> pipeline_;
};

TEST_F(LearnedTokens, StartWhereTheyAreToldTo) {
  add_learned_tokens(*pipeline_, {"<MEAN>"}, TokenInit::mean, 0);
  add_learned_tokens(*pipeline_, {"<Ship>"}, TokenInit::word, 0);
  add_learned_tokens(*pipeline_, {"<DRAWN>"}, TokenInit::random, 7);
  const at::Tensor rows = row_of_first();
  ASSERT_EQ(rows.size(0), 3);
  EXPECT_LT((rows[0] - table().mean(0)).abs().max().item<float>(), 1e-6);
  const std::int64_t ship = pipeline_->tokenizer.tokenize("ship")[0];
  EXPECT_TRUE(at::equal(rows[1], table()[ship]));
  const auto deviation = table().std().item<float>();
  EXPECT_NEAR(rows[2].std().item<float>(), deviation, deviation / 2);
  EXPECT_THROW(add_learned_tokens(*pipeline_, {"<*>"}, TokenInit::word, 0), Error);
}

TEST_F(LearnedTokens, KeepTheirRowsWhenMoreAreAdded) {
  add_learned_tokens(*pipeline_, {"<A>"}, TokenInit::mean, 0);
  const at::Tensor mine = normal_tensor({1, row_of_first().size(1)}, "row");
  row_of_first().copy_(mine);
  add_learned_tokens(*pipeline_, {"<B>", "<A>"}, TokenInit::random, 0);
  EXPECT_EQ(pipeline_->learned_tokens, (std::vector<std::string>{"<A>", "<B>"}));
  EXPECT_TRUE(at::equal(row_of_first()[0], mine[0]));
  EXPECT_THROW(set_learned_tokens(*pipeline_, {"<A>"}, mine, mine), Error);
}

TEST_F(LearnedTokens, ChangeOnlyPromptsThatHoldThem) {
  const std::vector<std::string> with = {"a <A> image"}, without = {"an image"};
  add_learned_tokens(*pipeline_, {"<A>"}, TokenInit::mean, 0);
  const Conditioning before = encode_prompts(*pipeline_, with);
  const Conditioning other = encode_prompts(*pipeline_, without);
  for (const auto& [name, rows] : learned_rows(*pipeline_)) rows.add_(0.5);
  EXPECT_FALSE(at::equal(encode_prompts(*pipeline_, with).context, before.context));
  EXPECT_FALSE(at::equal(encode_prompts(*pipeline_, with).pooled, before.pooled));
  EXPECT_TRUE(at::equal(encode_prompts(*pipeline_, without).context, other.context));
}

TEST_F(LearnedTokens, PoolAtTheFirstEndUnlessToldOtherwise) {
  add_learned_tokens(*pipeline_, {"<A>"}, TokenInit::random, 0);
  const at::Tensor first = encode_prompts(*pipeline_, {"a <A> image"}).pooled;
  const at::Tensor plain = encode_prompts(*pipeline_, {"a grey image"}).pooled;
  pipeline_->text_encoder_2.set_pooling(Pooling::argmax);
  EXPECT_FALSE(at::equal(encode_prompts(*pipeline_, {"a <A> image"}).pooled, first));
  EXPECT_TRUE(at::equal(encode_prompts(*pipeline_, {"a grey image"}).pooled, plain));
}

TEST_F(LearnedTokens, MergedIntoTheTablesTheyEncodeTheSame) {
  add_learned_tokens(*pipeline_, {"<A>", "<B>"}, TokenInit::random, 5);
  const Conditioning before = encode_prompts(*pipeline_, {"<B> and <A>"});
  merge_learned_tokens(*pipeline_);
  EXPECT_EQ(table().size(0), 49410);
  EXPECT_EQ(pipeline_->text_encoder_2.config().json["vocab_size"], 49410);
  EXPECT_EQ(pipeline_->text_encoder_2.config().json["eos_token_id"], 49407);
  EXPECT_TRUE(learned_rows(*pipeline_).empty());
  const Conditioning after = encode_prompts(*pipeline_, {"<B> and <A>"});
  EXPECT_TRUE(at::equal(after.context, before.context));
  EXPECT_TRUE(at::equal(after.pooled, before.pooled));
  // Training goes on from the row in the table.
  const at::Tensor row = table()[49409].clone();
  add_learned_tokens(*pipeline_, {"<B>"}, TokenInit::mean, 0);
  EXPECT_TRUE(at::equal(row_of_first()[0], row));
}

TEST_F(LearnedTokens, PooledAtTheGreatestIdTheyAreSoInTheFolderTheyAreMergedInto) {
  pipeline_->text_encoder_2.set_pooling(Pooling::argmax);
  EXPECT_EQ(pipeline_->text_encoder_2.config().json["eos_token_id"], 49407);  // no difference yet
  add_learned_tokens(*pipeline_, {"<A>"}, TokenInit::random, 5);
  const at::Tensor before = encode_prompts(*pipeline_, {"an <A> image"}).pooled;
  merge_learned_tokens(*pipeline_);
  const nlohmann::json config = pipeline_->text_encoder_2.config().json;
  EXPECT_EQ(config["eos_token_id"], 2);
  EXPECT_TRUE(at::equal(encode_prompts(*pipeline_, {"an <A> image"}).pooled, before));
  // Read back, the folder pools there, and a run that says otherwise is not overheard.
  ClipText again(parse_clip_text_config(config, true), at::kMeta);
  EXPECT_EQ(again.pooling(), Pooling::argmax);
  again.set_pooling(Pooling::first_eos);
  EXPECT_EQ(again.config().json["eos_token_id"], 49407);
}

}  // namespace
}  // namespace sarsweep::trainer
