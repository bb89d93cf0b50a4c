#include "schema/config/field_rows.h"

namespace sarsweep::config {

using nlohmann::json;
using enum FieldType;
using enum FieldClass;

namespace {

std::vector<Field> unet() {
  constexpr std::string_view kTrained = "job == diffusion and unet.mode != frozen";
  constexpr std::string_view kLora = "job == diffusion and unet.mode == lora";
  return {
      {.name = "unet.mode",
       .type = choice,
       .default_value = "full",
       .choices = {"full", "lora", "frozen"},
       .active_when = "job == diffusion",
       .help = "train every weight, low-rank factors, or nothing of the UNet"},
      {.name = "unet.lr",
       .type = number,
       .default_value = 5e-5,
       .low = 0,
       .active_when = kTrained,
       .help = "learning rate; 5e-5 is the paper's"},
      {.name = "unet.rank",
       .type = integer,
       .default_value = 16,
       .low = 1,
       .high = 4096,
       .active_when = kLora,
       .help = "rank of the LoRA factors"},
      {.name = "unet.alpha",
       .type = number,
       .default_text = "rank/2",
       .low = 0,
       .low_open = true,
       .active_when = kLora,
       .help = "LoRA scale x rank: the factors' product is multiplied by alpha/rank"},
      {.name = "unet.targets",
       .type = choice,
       .default_value = "attn",
       .choices = {"attn", "attn_conv", "attn_ff", "transformer", "transformer_conv"},
       .active_when = kLora,
       .help = "the layers that get factors; attn is what diffusers' script adapts"},
      {.name = "unet.init",
       .type = choice,
       .default_value = "kaiming",
       .choices = {"kaiming", "gaussian"},
       .active_when = kLora,
       .help = "how the first factor starts; the second starts at zero"},
      {.name = "unet.dropout",
       .type = number,
       .default_value = 0.0,
       .low = 0,
       .high = 1,
       .supported_choices = {"0"},
       .active_when = kLora,
       .help = "dropout before the factors"},
  };
}

struct EncoderNames {
  std::string_view mode, lr, rank, alpha, targets, trained, lora;
};

constexpr EncoderNames kEncoder1 = {
    "text_encoder_1.mode",
    "text_encoder_1.lr",
    "text_encoder_1.rank",
    "text_encoder_1.alpha",
    "text_encoder_1.targets",
    "job == diffusion and text_encoder_1.mode != frozen",
    "job == diffusion and text_encoder_1.mode == lora",
};
constexpr EncoderNames kEncoder2 = {
    "text_encoder_2.mode",
    "text_encoder_2.lr",
    "text_encoder_2.rank",
    "text_encoder_2.alpha",
    "text_encoder_2.targets",
    "job == diffusion and text_encoder_2.mode != frozen",
    "job == diffusion and text_encoder_2.mode == lora",
};

std::vector<Field> text_encoder(const EncoderNames& names) {
  return {
      {.name = names.mode,
       .type = choice,
       .default_value = "frozen",
       .choices = {"frozen", "full", "lora"},
       .active_when = "job == diffusion",
       .help = "train nothing, every weight, or low-rank factors of this text encoder"},
      {.name = names.lr,
       .type = number,
       .default_value = 4e-5,
       .low = 0,
       .active_when = names.trained,
       .help = "learning rate; 4e-5 is the paper's"},
      {.name = names.rank,
       .type = integer,
       .default_value = 8,
       .low = 1,
       .high = 4096,
       .active_when = names.lora,
       .help = "rank of the LoRA factors; 8 is the paper's"},
      {.name = names.alpha,
       .type = number,
       .default_text = "rank/2",
       .low = 0,
       .low_open = true,
       .active_when = names.lora,
       .help = "LoRA scale x rank: the factors' product is multiplied by alpha/rank"},
      {.name = names.targets,
       .type = choice,
       .default_value = "attn",
       .choices = {"attn", "attn_mlp"},
       .active_when = names.lora,
       .help = "the layers that get factors"},
  };
}

std::vector<Field> vae() {
  return {
      {.name = "vae.mode",
       .type = choice,
       .default_value = "frozen",
       .default_text = "frozen; full where job is vae",
       .choices = {"frozen", "decoder", "full"},
       .active_when = "job != clip",
       .help =
           "train nothing, the decoder inside diffusion training, or (job: vae) all of the VAE"},
      {.name = "vae.lr",
       .type = number,
       .default_value = 1e-5,
       .low = 0,
       .active_when = "vae.mode != frozen",
       .help = "learning rate of the VAE"},
      {.name = "vae.kl_weight",
       .type = number,
       .default_value = 1e-6,
       .low = 0,
       .active_when = "vae.mode == full",
       .help = "weight of the latents' KL term beside the L1 reconstruction loss"},
  };
}

std::vector<Field> vae_decoder_losses() {
  constexpr std::string_view kTrained = "vae.mode != frozen", kDecoder = "vae.mode == decoder";
  return {
      {.name = "vae.rayleigh",
       .type = choice,
       .default_value = "local",
       .choices = {"local", "literal"},
       .active_when = kTrained,
       .help = "the Rayleigh term: likelihood under local power, or the paper's words"},
      {.name = "vae.rayleigh_weight",
       .type = number,
       .default_value = 1.0,
       .default_text = "1; 0 where job is vae",
       .low = 0,
       .active_when = kTrained,
       .help = "weight of the Rayleigh term"},
      {.name = "vae.histogram_weight",
       .type = number,
       .default_value = 1.0,
       .default_text = "1; 0 where job is vae",
       .low = 0,
       .active_when = kTrained,
       .help = "weight of the histogram term"},
      {.name = "vae.spectrum_weight",
       .type = number,
       .default_value = 0.0,
       .low = 0,
       .active_when = kTrained,
       .help = "weight of the grain term: likelihood of the real spectrum under the decoded one"},
      {.name = "vae.anchor_weight",
       .type = number,
       .default_value = 0.0,
       .low = 0,
       .active_when = kDecoder,
       .help = "weight of the L1 distance to the real picture"},
      {.name = "vae.histogram_bins",
       .type = integer,
       .default_value = 64,
       .low = 2,
       .high = 1024,
       .active_when = kTrained,
       .help = "bins of the soft histogram; 256 make training chaotic"},
      {.name = "vae.t_max",
       .type = integer,
       .default_value = 150,
       .low = 1,
       .high = 1000,
       .active_when = kDecoder,
       .help = "samples below this timestep take part in the refinement"},
      {.name = "vae.late_share",
       .type = number,
       .default_value = 0.375,
       .low = 0,
       .high = 1,
       .active_when = kDecoder,
       .help = "share of the draws that fall below t_max"},
      {.name = "vae.gradient",
       .type = choice,
       .default_value = "joint",
       .choices = {"joint", "decoder_only"},
       .active_when = kDecoder,
       .help = "how far the decoder's losses reach"},
  };
}

}  // namespace

std::vector<Field> network_rows() {
  std::vector<Field> rows = unet();
  for (std::vector<Field> group :
       {text_encoder(kEncoder1), text_encoder(kEncoder2), vae(), vae_decoder_losses()}) {
    rows.insert(rows.end(), group.begin(), group.end());
  }
  return rows;
}

}  // namespace sarsweep::config
