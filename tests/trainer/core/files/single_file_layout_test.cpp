#include "trainer/core/files/single_file_layout.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "schema/base/error.h"
#include "trainer/core/files/original_names.h"

namespace sarsweep::trainer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Named {
  const char* diffusers;
  const char* original;
};

// Names as the published checkpoint has them.
TEST(OriginalNames, VaeCountsTheDecodersLevelsFromThePicture) {
  for (const Named& row : {
           Named{"encoder.conv_in", "encoder.conv_in"},
           Named{"encoder.down_blocks.1.resnets.0.conv_shortcut",
                 "encoder.down.1.block.0.nin_shortcut"},
           Named{"encoder.down_blocks.2.downsamplers.0.conv", "encoder.down.2.downsample.conv"},
           Named{"encoder.mid_block.resnets.1.norm2", "encoder.mid.block_2.norm2"},
           Named{"encoder.mid_block.attentions.0.group_norm", "encoder.mid.attn_1.norm"},
           Named{"decoder.mid_block.attentions.0.to_out.0", "decoder.mid.attn_1.proj_out"},
           Named{"decoder.up_blocks.0.resnets.2.conv1", "decoder.up.3.block.2.conv1"},
           Named{"decoder.up_blocks.2.upsamplers.0.conv", "decoder.up.1.upsample.conv"},
           Named{"decoder.conv_norm_out", "decoder.norm_out"},
           Named{"post_quant_conv", "post_quant_conv"},
       }) {
    EXPECT_EQ(original_vae_module(row.diffusers, 4), row.original);
  }
}

TEST(OriginalNames, OpenClipHasOneModuleForQueryKeyAndValue) {
  const std::string layer = "text_model.encoder.layers.31.";
  for (const Named& row : {Named{"self_attn.q_proj", "attn"}, Named{"self_attn.v_proj", "attn"},
                           Named{"self_attn.out_proj", "attn.out_proj"},
                           Named{"mlp.fc2", "mlp.c_proj"}, Named{"layer_norm1", "ln_1"}}) {
    EXPECT_EQ(open_clip_module(layer + row.diffusers),
              std::string("transformer.resblocks.31.") + row.original);
  }
  EXPECT_EQ(open_clip_module("text_model.final_layer_norm"), "ln_final");
  EXPECT_EQ(open_clip_module("text_model.embeddings.token_embedding"), "token_embedding");
}

std::vector<PartTensor> some_tensors() {
  const std::string layer = "text_model.encoder.layers.0.self_attn.";
  return {
      {PipelinePart::unet, "conv_norm_out.weight", {8}},
      {PipelinePart::vae, "encoder.down_blocks.1.resnets.0.norm1.bias", {4}},
      {PipelinePart::vae, "decoder.up_blocks.0.resnets.0.norm1.bias", {4}},
      {PipelinePart::vae, "decoder.mid_block.attentions.0.to_q.weight", {4, 4}},
      {PipelinePart::text_encoder, "text_model.embeddings.position_embedding.weight", {77, 6}},
      {PipelinePart::text_encoder_2, "text_model.embeddings.position_embedding.weight", {77, 6}},
      {PipelinePart::text_encoder_2, layer + "v_proj.weight", {6, 6}},
      {PipelinePart::text_encoder_2, layer + "q_proj.weight", {6, 6}},
      {PipelinePart::text_encoder_2, layer + "k_proj.weight", {6, 6}},
      {PipelinePart::text_encoder_2, layer + "out_proj.bias", {6}},
      {PipelinePart::text_encoder_2, "text_projection.weight", {5, 6}}};
}

const SingleFileTensor& find(const std::vector<SingleFileTensor>& layout, const std::string& name) {
  const auto found = std::find_if(layout.begin(), layout.end(),
                                  [&](const auto& tensor) { return tensor.name == name; });
  if (found == layout.end()) throw std::runtime_error("no " + name);
  return *found;
}

TEST(SingleFileLayout, EveryTensorIsTheSourceOfExactlyOne) {
  const std::vector<PartTensor> tensors = some_tensors();
  std::multiset<PartTensor> sources;
  std::set<std::string> names;
  const std::vector<SingleFileTensor> layout = single_file_layout(tensors);
  for (const SingleFileTensor& tensor : layout) {
    EXPECT_TRUE(names.insert(tensor.name).second) << tensor.name;
    sources.insert(tensor.sources.begin(), tensor.sources.end());
  }
  EXPECT_EQ(sources, std::multiset<PartTensor>(tensors.begin(), tensors.end()));
  EXPECT_EQ(layout.size(), tensors.size() - 2 + 2);  // three became one, two are constants
}

TEST(SingleFileLayout, ShapesFollowTheLayout) {
  const std::vector<SingleFileTensor> layout = single_file_layout(some_tensors());
  const std::string clip = "conditioner.embedders.1.model.";
  const SingleFileTensor& stack =
      find(layout, clip + "transformer.resblocks.0.attn.in_proj_weight");
  EXPECT_EQ(stack.layout, SingleFileLayout::stacked);
  EXPECT_THAT(stack.shape, ElementsAre(18, 6));
  ASSERT_EQ(stack.sources.size(), 3u);
  EXPECT_THAT(stack.sources[0].name, HasSubstr("q_proj"));
  EXPECT_THAT(stack.sources[1].name, HasSubstr("k_proj"));
  EXPECT_THAT(stack.sources[2].name, HasSubstr("v_proj"));
  EXPECT_THAT(find(layout, clip + "text_projection").shape, ElementsAre(6, 5));
  EXPECT_THAT(find(layout, clip + "positional_embedding").shape, ElementsAre(77, 6));
  EXPECT_TRUE(find(layout, clip + "logit_scale").sources.empty());
  EXPECT_THAT(find(layout, "first_stage_model.decoder.mid.attn_1.q.weight").shape,
              ElementsAre(4, 4, 1, 1));
  EXPECT_EQ(find(layout, "first_stage_model.decoder.up.1.block.0.norm1.bias").layout,
            SingleFileLayout::same);
  const std::string text = "conditioner.embedders.0.transformer.text_model.embeddings.";
  EXPECT_THAT(find(layout, text + "position_ids").shape, ElementsAre(1, 77));
}

TEST(SingleFileLayout, AQueryWithoutItsKeyIsNamed) {
  std::vector<PartTensor> tensors = some_tensors();
  std::erase_if(tensors, [](const PartTensor& tensor) {
    return tensor.name.find("k_proj") != std::string::npos;
  });
  try {
    single_file_layout(tensors);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("self_attn.k_proj.weight"));
  }
}

}  // namespace
}  // namespace sarsweep::trainer
