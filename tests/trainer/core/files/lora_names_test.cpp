#include "trainer/core/files/lora_names.h"

#include <gtest/gtest.h>

namespace sarsweep::trainer {
namespace {

struct Named {
  const char* module;
  const char* kohya;
};

// Names as trainers of the original code write them.
TEST(LoraNames, KohyaUsesTheOriginalPathsOfTheUnet) {
  for (const Named& row : {
           Named{"conv_in", "input_blocks_0_0"},
           Named{"conv_out", "out_2"},
           Named{"time_embedding.linear_1", "time_embed_0"},
           Named{"add_embedding.linear_2", "label_emb_0_2"},
           Named{"down_blocks.0.resnets.0.conv1", "input_blocks_1_0_in_layers_2"},
           Named{"down_blocks.0.downsamplers.0.conv", "input_blocks_3_0_op"},
           Named{"down_blocks.1.attentions.0.proj_in", "input_blocks_4_1_proj_in"},
           Named{"down_blocks.1.resnets.0.conv_shortcut", "input_blocks_4_0_skip_connection"},
           Named{"down_blocks.2.attentions.1.transformer_blocks.9.attn2.to_out.0",
                 "input_blocks_8_1_transformer_blocks_9_attn2_to_out_0"},
           Named{"mid_block.resnets.0.conv2", "middle_block_0_out_layers_3"},
           Named{"mid_block.attentions.0.proj_out", "middle_block_1_proj_out"},
           Named{"mid_block.resnets.1.time_emb_proj", "middle_block_2_emb_layers_1"},
           Named{"up_blocks.0.resnets.2.conv1", "output_blocks_2_0_in_layers_2"},
           Named{"up_blocks.0.upsamplers.0.conv", "output_blocks_2_2_conv"},
           Named{"up_blocks.1.attentions.2.transformer_blocks.1.ff.net.0.proj",
                 "output_blocks_5_1_transformer_blocks_1_ff_net_0_proj"},
       }) {
    const LoraLayerName layer{LoraComponent::unet, row.module};
    EXPECT_EQ(kohya_prefix(layer), std::string("lora_unet_") + row.kohya);
    EXPECT_EQ(peft_prefix(layer), std::string("unet.") + row.module);
  }
}

TEST(LoraNames, TextEncodersDifferInTheirPrefix) {
  const std::string module = "text_model.encoder.layers.0.self_attn.q_proj";
  const LoraLayerName one{LoraComponent::text_encoder, module};
  const LoraLayerName two{LoraComponent::text_encoder_2, module};
  EXPECT_EQ(kohya_prefix(one), "lora_te1_text_model_encoder_layers_0_self_attn_q_proj");
  EXPECT_EQ(kohya_prefix(two), "lora_te2_text_model_encoder_layers_0_self_attn_q_proj");
  EXPECT_EQ(peft_prefix(one), "text_encoder.encoder.layers.0.self_attn.q_proj");
  EXPECT_EQ(peft_prefix(two), "text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj");
}

TEST(LoraNames, EverySpellingFindsItsLayer) {
  const std::vector<LoraLayerName> known{
      {LoraComponent::unet, "down_blocks.1.attentions.0.proj_in"},
      {LoraComponent::text_encoder, "text_model.encoder.layers.0.mlp.fc1"},
      {LoraComponent::text_encoder_2, "text_model.encoder.layers.0.mlp.fc1"}};
  for (const LoraLayerName& layer : known) {
    for (const std::string& prefix : accepted_prefixes(layer)) {
      EXPECT_EQ(find_layer(prefix, known), layer) << prefix;
    }
  }
  EXPECT_EQ(find_layer("lora_unet_down_blocks_1_attentions_0_proj_in", known), known[0]);
  EXPECT_EQ(find_layer("text_encoder.text_model.encoder.layers.0.mlp.fc1", known), known[1]);
  EXPECT_EQ(find_layer("unet.down_blocks.1.attentions.0.proj_out", known), std::nullopt);
}

}  // namespace
}  // namespace sarsweep::trainer
