#include "schema/config/field_rows.h"

namespace sarsweep::config {

using nlohmann::json;
using enum FieldType;
using enum FieldClass;

namespace {

std::vector<Field> job_and_model() {
  return {
      {.name = "job",
       .type = choice,
       .default_value = "diffusion",
       .choices = {"diffusion", "vae", "clip"},
       .help = "what is trained: the denoiser and its text encoders, the VAE alone, or a SAR CLIP"},
      {.name = "model.path",
       .type = model,
       .default_text = "required",
       .help =
           "pipeline folder, SDXL in one .safetensors file (job clip: a CLIP model of transformers "
           "or open_clip), or {run: [SWEEP/]NAME, checkpoint: last|best}, a parent run"},
      {.name = "model.family",
       .type = choice,
       .default_value = "auto",
       .choices = {"auto", "sdxl"},
       .help = "the architecture; auto reads it from the folder"},
  };
}

std::vector<Field> data_files() {
  return {
      {.name = "data.path",
       .type = path,
       .default_text = "required at start",
       .help = "folder of the images"},
      {.name = "data.format",
       .type = choice,
       .default_value = "auto",
       .choices = {"auto", "imagefolder", "webdataset", "kohya"},
       .help = "layout of the folder (docs/data.md): metadata.jsonl, tar shards, or pictures with "
               ".txt captions; auto looks"},
      {.name = "data.split",
       .type = text,
       .default_value = "train",
       .help = "the split that trains"},
      {.name = "data.resolution",
       .type = integer,
       .default_value = 1024,
       .low = 8,
       .high = 4096,
       .unit = "pixels",
       .help = "side of the square pictures, a multiple of 8; 1024 is the paper's"},
      {.name = "data.caption_column",
       .type = text,
       .default_value = "text",
       .help = "key of metadata.jsonl with the caption"},
      {.name = "data.label_column",
       .type = text,
       .default_value = "label",
       .help = "key of metadata.jsonl with the class; absent means one label, all"},
      {.name = "data.group_column",
       .type = text,
       .default_text = "none",
       .help = "key of metadata.jsonl; no group may lie in two splits"},
      {.name = "data.scale_column",
       .type = text,
       .default_text = "none",
       .help = "key of metadata.jsonl; stored pixel x scale = amplitude"},
  };
}

std::vector<Field> data_pixels() {
  return {
      {.name = "data.stretch",
       .type = stretch,
       .default_text = "none for 8-bit; must be given for 16-bit and float",
       .help = "amplitude to [0, 1]: none, mean3sigma, sqrt, log or {lo, hi}"},
      {.name = "data.stretch_scope",
       .type = choice,
       .default_value = "dataset",
       .choices = {"image", "scene", "dataset"},
       .supported_choices = {"image", "dataset"},
       .help = "what the statistics of the stretch are measured on"},
      {.name = "data.gray",
       .type = choice,
       .default_value = "mean",
       .choices = {"mean", "luma", "first"},
       .help = "how colour pictures become one channel"},
      {.name = "data.crop",
       .type = choice,
       .default_value = "center",
       .choices = {"center", "random", "tile"},
       .help = "the part of a larger picture that is used; random encodes every sample anew, tile "
               "makes an item of every whole square"},
      {.name = "data.resize",
       .type = choice,
       .default_value = "error",
       .choices = {"error", "lanczos", "block_mean"},
       .help = "error resizes nothing; lanczos brings the short side to the resolution; block_mean "
               "averages intensity where larger; resizing destroys speckle, hence error"},
      {.name = "data.range_axis",
       .type = choice,
       .default_text = "must be given with flip",
       .choices = {"rows", "columns"},
       .active_when = "data.flip != none",
       .help = "the index that range runs along: columns where range is horizontal"},
      {.name = "data.flip",
       .type = choice,
       .default_value = "none",
       .choices = {"none", "azimuth", "both"},
       .help = "mirroring, each axis by chance; both mirrors range too, which puts shadows on the "
               "wrong side"},
  };
}

std::vector<Field> prompt_and_token() {
  return {
      {.name = "prompt.replace",
       .type = map,
       .default_value = json::object(),
       .help = "in captions, the first match of each key becomes its value"},
      {.name = "prompt.dropout",
       .type = number,
       .default_value = 0.0,
       .low = 0,
       .high = 1,
       .active_when = "job != clip",
       .help =
           "share of captions dropped, so that guidance can be used; 0 is the scripts' default"},
      {.name = "prompt.uncond",
       .type = choice,
       .default_value = "encode_empty",
       .choices = {"encode_empty", "zeros"},
       .active_when = "job != clip",
       .help = "the text embedding of a dropped caption, and of an empty negative prompt where "
               "captions were dropped"},
      {.name = "token.text",
       .type = text,
       .default_text = "none",
       .active_when = "job != clip",
       .help = "a token added to the vocabulary, such as <SAR>; several with spaces between"},
      {.name = "token.train",
       .type = boolean,
       .default_value = false,
       .active_when = "job != clip",
       .help = "train the rows of the added token"},
      {.name = "token.init",
       .type = choice,
       .default_value = "mean",
       .choices = {"mean", "random", "word"},
       .active_when = "token.train == true",
       .help = "where the rows of the added token start"},
      {.name = "token.lr",
       .type = number,
       .default_value = 4e-5,
       .low = 0,
       .active_when = "token.train == true",
       .help = "learning rate of the token rows, which are never decayed; 4e-5 is the paper's"},
  };
}

}  // namespace

std::vector<Field> source_rows() {
  std::vector<Field> rows = job_and_model();
  for (std::vector<Field> group : {data_files(), data_pixels(), prompt_and_token()}) {
    rows.insert(rows.end(), group.begin(), group.end());
  }
  return rows;
}

}  // namespace sarsweep::config
