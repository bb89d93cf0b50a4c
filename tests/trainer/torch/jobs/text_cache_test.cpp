#include "trainer/torch/jobs/text_cache.h"

#include <gtest/gtest.h>

#include "tests/trainer/torch/operators_seen.h"
#include "tests/trainer/torch/tiny_pipeline.h"

namespace sarsweep::trainer {
namespace {

TEST(TextCache, GivesTheSameBytesWhateverThePromptsCompany) {
  if (!tests::open_clip_vocabulary()) GTEST_SKIP() << "no open_clip vocabulary";
  const Pipeline pipeline = tests::tiny_pipeline(1);
  TextCache cache(pipeline);
  const std::string a = "A SAR image of a ship", b = "A field";
  const Conditioning both = cache.encode({a, b, a});
  const Conditioning alone = encode_prompts(pipeline, {a});
  const Conditioning later = cache.encode({b});
  for (const std::int64_t row : {0, 2}) {
    EXPECT_TRUE(both.context[row].equal(alone.context[0]));
    EXPECT_TRUE(both.pooled[row].equal(alone.pooled[0]));
  }
  EXPECT_TRUE(both.context[1].equal(later.context[0]));
  EXPECT_FALSE(both.context[1].equal(alone.context[0]));
  EXPECT_FALSE(both.context.requires_grad());
}

TEST(TextCache, EncodesAPromptOnce) {
  if (!tests::open_clip_vocabulary()) GTEST_SKIP() << "no open_clip vocabulary";
  const Pipeline pipeline = tests::tiny_pipeline(1);
  TextCache cache(pipeline);
  // Each of the two encoders looks a prompt's ids up in its table once.
  const auto encodings = [&](const std::vector<std::string>& prompts) {
    const tests::OperatorsSeen seen;
    cache.encode(prompts);
    return seen.count("aten::embedding") / 2.0;
  };
  EXPECT_EQ(encodings({"a", "b", "a"}), 2);
  EXPECT_EQ(encodings({"b", "a"}), 0);
  EXPECT_EQ(encodings({"b", "c"}), 1);
}

}  // namespace
}  // namespace sarsweep::trainer
