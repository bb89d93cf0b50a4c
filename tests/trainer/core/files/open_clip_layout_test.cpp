#include "trainer/core/files/open_clip_layout.h"

#include <gtest/gtest.h>

#include "schema/base/error.h"

namespace sarsweep::trainer {
namespace {

TEST(OpenClipLayout, BothTowersHaveTheSameLayers) {
  const OpenClipPlace text = open_clip_place("text_model.encoder.layers.3.mlp.fc1.weight");
  EXPECT_EQ(text.name, "transformer.resblocks.3.mlp.c_fc.weight");
  const OpenClipPlace vision = open_clip_place("vision_model.encoder.layers.3.layer_norm2.bias");
  EXPECT_EQ(vision.name, "visual.transformer.resblocks.3.ln_2.bias");
  EXPECT_EQ(vision.part, -1);
  EXPECT_FALSE(vision.transposed);
}

TEST(OpenClipLayout, QueryKeyAndValueAreOneTensor) {
  const OpenClipPlace key =
      open_clip_place("vision_model.encoder.layers.0.self_attn.k_proj.weight");
  EXPECT_EQ(key.name, "visual.transformer.resblocks.0.attn.in_proj_weight");
  EXPECT_EQ(key.part, 1);
  const OpenClipPlace value = open_clip_place("text_model.encoder.layers.11.self_attn.v_proj.bias");
  EXPECT_EQ(value.name, "transformer.resblocks.11.attn.in_proj_bias");
  EXPECT_EQ(value.part, 2);
  const OpenClipPlace out = open_clip_place("text_model.encoder.layers.1.self_attn.out_proj.bias");
  EXPECT_EQ(out.name, "transformer.resblocks.1.attn.out_proj.bias");
  EXPECT_EQ(out.part, -1);
}

TEST(OpenClipLayout, ProjectionsLieTransposed) {
  EXPECT_EQ(open_clip_place("visual_projection.weight").name, "visual.proj");
  EXPECT_TRUE(open_clip_place("visual_projection.weight").transposed);
  EXPECT_TRUE(open_clip_place("text_projection.weight").transposed);
}

TEST(OpenClipLayout, ANameOfNoClipModelIsRefused) {
  EXPECT_THROW(open_clip_place("unet.conv_in.weight"), Error);
}

}  // namespace
}  // namespace sarsweep::trainer
