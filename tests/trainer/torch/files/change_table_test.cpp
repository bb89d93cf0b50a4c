#include "trainer/torch/files/change_table.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace sarsweep::trainer {
namespace {

at::Tensor filled(std::int64_t size, double value) { return at::full({size}, value, at::kDouble); }

TEST(ChangeTable, BlocksAreThoseOfTheNetwork) {
  EXPECT_EQ(block_of("conv_in.weight"), "conv_in");
  EXPECT_EQ(block_of("conv_norm_out.bias"), "conv_norm_out");
  EXPECT_EQ(block_of("time_embedding.linear_1.weight"), "time_embedding");
  EXPECT_EQ(block_of("down_blocks.1.attentions.0.transformer_blocks.1.ff.net.2.bias"),
            "down.1.attentions.0");
  EXPECT_EQ(block_of("down_blocks.0.downsamplers.0.conv.weight"), "down.0.downsamplers.0");
  EXPECT_EQ(block_of("mid_block.resnets.1.conv1.bias"), "mid.resnets.1");
  EXPECT_EQ(block_of("up_blocks.2.resnets.10.conv2.weight"), "up.2.resnets.10");
  EXPECT_EQ(block_of("decoder.up_blocks.3.resnets.0.norm1.weight"), "decoder.up.3.resnets.0");
  EXPECT_EQ(block_of("encoder.mid_block.attentions.0.to_q.weight"), "encoder.mid.attentions.0");
  EXPECT_EQ(block_of("encoder.conv_in.weight"), "encoder.conv_in");
  EXPECT_EQ(block_of("quant_conv.weight"), "quant_conv");
  EXPECT_EQ(block_of("text_model.encoder.layers.11.mlp.fc1.weight"), "layers.11");
  EXPECT_EQ(block_of("text_model.embeddings.token_embedding.weight"), "embeddings");
  EXPECT_EQ(block_of("text_projection.weight"), "text_projection");
  EXPECT_EQ(block_of("vision_model.pre_layrnorm.weight"), "pre_layrnorm");
  EXPECT_EQ(block_of("logit_scale"), "logit_scale");
}

// Two tensors of unequal size in one block: the paper's mean counts both the same.
TEST(ChangeTable, MeansAreOverTensorsAndOverNumbers) {
  ChangeTable table;
  table.add("unet", "down_blocks.0.resnets.0.conv1.weight", filled(30, 2), filled(30, 2.001));
  table.add("unet", "down_blocks.0.resnets.0.conv1.bias", filled(10, -1), filled(10, -1));
  table.add("unet", "conv_in.weight", filled(10, 0), filled(10, -0.25));
  const nlohmann::json document = table.document();
  ASSERT_EQ(document["blocks"].size(), 2u);
  const nlohmann::json& block = document["blocks"][0];
  EXPECT_EQ(block["block"], "down.0.resnets.0");
  EXPECT_EQ(block["tensors"], 2);
  EXPECT_EQ(block["parameters"], 40);
  EXPECT_NEAR(block["mean"].get<double>(), 0.0005, 1e-12);
  EXPECT_NEAR(block["weighted_mean"].get<double>(), 0.00075, 1e-12);
  EXPECT_NEAR(block["share"].get<double>(), 0.75, 1e-12);
  EXPECT_NEAR(block["relative"].get<double>(), 0.03 / 70, 1e-12);
  EXPECT_TRUE(document["blocks"][1]["relative"].is_null());
  EXPECT_EQ(document["blocks"][1]["mean"], 0.25);
  EXPECT_NEAR(document["parts"]["unet"]["mean"].get<double>(), (0.001 + 0.25) / 3, 1e-12);
  EXPECT_EQ(document["parts"]["unet"]["tensors"], 3);
}

// The paper's resolution is not exceeded by a change that equals it.
TEST(ChangeTable, TheThresholdItselfIsNotAbove) {
  ChangeTable table;
  table.add("vae", "quant_conv.weight", filled(2, 0), filled(2, ChangeTable::kThreshold));
  EXPECT_EQ(table.document()["parts"]["vae"]["share"], 0);
}

}  // namespace
}  // namespace sarsweep::trainer
