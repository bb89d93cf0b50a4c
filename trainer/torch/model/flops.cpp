#include "trainer/torch/model/flops.h"

#include <charconv>
#include <string_view>

namespace sarsweep::trainer {
namespace {

constexpr std::int64_t kTokens = 77;

bool contains(std::string_view name, std::string_view part) {
  return name.find(part) != std::string_view::npos;
}

// How often the map of latents was halved where a layer writes its output.
class Levels {
 public:
  explicit Levels(const UNetConfig& config)
      : deepest_(static_cast<int>(config.block_out_channels.size()) - 1) {}

  int of(std::string_view name) const {
    if (name.starts_with("mid_block.")) return deepest_;
    if (name.starts_with(kDown)) return number(name, kDown) + (contains(name, "samplers.") ? 1 : 0);
    if (name.starts_with(kUp)) {
      return deepest_ - number(name, kUp) - (contains(name, "samplers.") ? 1 : 0);
    }
    return 0;
  }

 private:
  static constexpr std::string_view kDown = "down_blocks.", kUp = "up_blocks.";
  static int number(std::string_view name, std::string_view prefix) {
    int value = 0;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), value);
    return value;
  }
  int deepest_;
};

// A downsampler rounds up.
std::int64_t pixels_of(std::int64_t side, int level) {
  for (int i = 0; i < level; ++i) side = (side + 1) / 2;
  return side * side;
}

// How many vectors pass through a layer.
std::int64_t positions_of(std::string_view name, std::int64_t pixels) {
  if (contains(name, "_embedding.") || contains(name, ".time_emb_proj")) return 1;
  const bool of_text = name.ends_with(".attn2.to_k") || name.ends_with(".attn2.to_v");
  return of_text ? kTokens : pixels;
}

// Scores and their sum of the values, of the attention that `name` is the query of.
double attention_flops(std::string_view name, double width, double pixels) {
  if (!name.ends_with(".to_q")) return 0;
  const double keys = contains(name, ".attn2.") ? static_cast<double>(kTokens) : pixels;
  return 2 * 2 * pixels * keys * width;
}

double flops_of(const at::Tensor& weight, double positions) {
  return 2 * static_cast<double>(weight.numel()) * positions;
}

}  // namespace

ForwardFlops forward_flops(UNet& unet, std::int64_t side) {
  const Levels levels(unet.config());
  ForwardFlops total;
  for (const Layer* layer : unet.layers()) {
    const std::int64_t pixels = pixels_of(side, levels.of(layer->name));
    const auto positions = static_cast<double>(positions_of(layer->name, pixels));
    total.network += flops_of(layer->weight, positions);
    total.network += attention_flops(layer->name, static_cast<double>(layer->weight.size(0)),
                                     static_cast<double>(pixels));
    if (!layer->adapter) continue;
    total.adapters += flops_of(layer->adapter->down, positions);
    total.adapters += flops_of(layer->adapter->up, positions);
  }
  return total;
}

double full_training_flops(const ForwardFlops& forward) { return 3 * forward.network; }

double lora_training_flops(const ForwardFlops& forward) {
  return 2 * forward.network + 3 * forward.adapters;
}

}  // namespace sarsweep::trainer
