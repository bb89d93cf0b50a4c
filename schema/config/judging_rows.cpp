#include "schema/config/field_rows.h"

namespace sarsweep::config {

using nlohmann::json;
using enum FieldType;
using enum FieldClass;

namespace {

std::vector<Field> samples() {
  return {
      {.name = "samples.every",
       .type = interval,
       .default_text = "only at the end",
       .field_class = judge,
       .low = 1,
       .unit = "updates or epochs",
       .active_when = "job == diffusion",
       .help = "how often sample pictures are made"},
      {.name = "samples.prompts",
       .type = list,
       .default_value = json::array(),
       .default_text = "captions of the evaluated images, up to 4",
       .field_class = judge,
       .active_when = "job == diffusion",
       .help = "prompts of the sample pictures, or a text file with one a line"},
      {.name = "samples.sampler",
       .type = choice,
       .default_value = "euler",
       .field_class = judge,
       .choices = {"euler", "ddim", "dpmpp_2m", "ddpm"},
       .active_when = "job == diffusion",
       .help = "the sampler of sample pictures; euler is SDXL's"},
      {.name = "samples.steps",
       .type = integer,
       .default_value = 30,
       .field_class = judge,
       .low = 1,
       .high = 1000,
       .active_when = "job == diffusion",
       .help = "denoising steps of a sample picture"},
      {.name = "samples.cfg",
       .type = number,
       .default_value = 5.0,
       .field_class = judge,
       .low = 0,
       .high = 100,
       .active_when = "job == diffusion",
       .help = "guidance scale of sample pictures; 1 is no guidance"},
      {.name = "samples.negative",
       .type = text,
       .default_value = "",
       .field_class = judge,
       .active_when = "job == diffusion",
       .help = "the prompt to move away from"},
      {.name = "samples.seed",
       .type = integer,
       .default_value = 0,
       .field_class = judge,
       .low = 0,
       .high = 9007199254740992.0,
       .active_when = "job == diffusion",
       .help = "seed of the sample pictures, equal for all runs"},
  };
}

std::vector<Field> evaluation() {
  return {
      {.name = "eval.protocol",
       .type = text,
       .default_value = "sar-v1",
       .field_class = judge,
       .help = "how results are measured: sar-v1 (the paper's) or mini-v1"},
      {.name = "eval.at",
       .type = list,
       .default_value = json::array({"end"}),
       .field_class = judge,
       .supported_choices = {"[\"end\"]"},
       .help = "when the test split is evaluated"},
      {.name = "eval.every",
       .type = interval,
       .default_text = "none",
       .field_class = judge,
       .low = 1,
       .unit = "updates or epochs",
       .supported = false,
       .help = "how often the val split is evaluated, as eval_val/*"},
      {.name = "eval.clip",
       .type = path,
       .default_text = "none",
       .field_class = judge,
       .active_when = "job != clip",
       .help =
           "the CLIP that ranks pictures: a model of transformers or open_clip, or a checkpoint "
           "of a clip run; a clip job judges itself"},
  };
}

std::vector<Field> protocol_overrides() {
  constexpr std::string_view kProtocol = "the protocol's";
  const auto row = [&](std::string_view name, FieldType type, std::string_view help) {
    return Field{
        .name = name, .type = type, .default_text = kProtocol, .field_class = judge, .help = help};
  };
  const auto one_of = [&](std::string_view name, std::vector<std::string> choices,
                          std::string_view help) {
    Field field = row(name, choice, help);
    field.choices = std::move(choices);
    return field;
  };
  const auto between = [&](std::string_view name, FieldType type, double low, double high,
                           std::string_view help) {
    Field field = row(name, type, help);
    field.low = low;
    field.high = high;
    return field;
  };
  Field bits = between("eval.bits", integer, 8, 16, "bits both sides are rounded to");
  bits.supported_choices = {"8", "16"};
  Field masks = row("eval.masks", path,
                    "where texture is measured: in the masks of a folder or COCO file, in the "
                    "region found by builtin, or anywhere");
  masks.choices = {"builtin"};
  return {
      row("eval.split", text, "the split that is evaluated"),
      between("eval.per_label", integer, 1, 1e6, "images of each label, at most"),
      row("eval.caption_column", text, "key of metadata.jsonl with the judge's captions"),
      one_of("eval.sampler", {"euler", "ddim"}, "the sampler of evaluated pictures"),
      between("eval.steps", integer, 1, 1000, "denoising steps of an evaluated picture"),
      between("eval.cfg", number, 0, 100, "guidance scale of evaluated pictures"),
      between("eval.seeds_per_image", integer, 1, 100, "pictures made for each image"),
      row("eval.stretch", stretch, "the amplitude domain of every metric"),
      one_of("eval.gray", {"mean", "luma", "first"}, "how colour pictures become one channel"),
      bits,
      between("eval.bins", integer, 2, 65536, "bins of the amplitude histograms"),
      one_of("eval.smoothing", {"eps", "half"},
             "what is added to a bin: a tiny number or one half"),
      between("eval.saturation", number, 0, 1, "amplitudes above this are counted apart"),
      between("eval.rank_pool", integer, 2, 1000,
              "captions of a pool that a picture's own one is ranked in"),
      one_of("eval.rank_mode", {"expected", "shuffle", "within_label"},
             "the pools: all there are, one partition, or all within the label"),
      one_of("eval.rank_ties", {"strict", "mid", "pessimistic"},
             "how equal similarities share a rank"),
      between("eval.glcm_levels", integer, 2, 256, "grey levels of the co-occurrence matrix"),
      between("eval.glcm_angles", list, 0, 179,
              "angles of the co-occurrence matrix, in whole degrees"),
      between("eval.glcm_distances", list, 1, 32,
              "distances of the co-occurrence matrix, in whole pixels"),
      masks,
  };
}

std::vector<Field> export_and_resources() {
  return {
      {.name = "export.lora",
       .type = choice,
       .default_value = "both",
       .field_class = exec,
       .choices = {"both", "kohya", "peft"},
       .active_when = "job == diffusion",
       .help = "formats of the LoRA files at the end of a run"},
      {.name = "export.pipeline",
       .type = choice,
       .default_value = "none",
       .field_class = exec,
       .choices = {"none", "folder", "single_file"},
       .active_when = "job != clip",
       .help = "also write the whole pipeline at the end of a run"},
      {.name = "export.dtype",
       .type = choice,
       .default_value = "fp16",
       .field_class = exec,
       .choices = {"fp16", "bf16", "fp32"},
       .help = "number format of exported weights; fp32 in a clip job unless given"},
      {.name = "resources.gpus",
       .type = integer,
       .default_value = 1,
       .field_class = exec,
       .low = 1,
       .high = 1024,
       .unit = "slots",
       .help = "slots a run takes on one machine, each for a process with its share of the images"},
      {.name = "resources.device",
       .type = choice,
       .default_value = "auto",
       .field_class = exec,
       .choices = {"auto", "cpu", "cuda"},
       .help = "where the run may run"},
      {.name = "resources.vram",
       .type = FieldType::size,
       .default_text = "none",
       .field_class = exec,
       .active_when = "resources.device != cpu",
       .help = "memory that the GPU of each slot must have, such as 70GiB"},
      {.name = "resources.priority",
       .type = choice,
       .default_value = "normal",
       .field_class = exec,
       .choices = {"low", "normal", "high"},
       .help = "order in the queue"},
      {.name = "resources.retries",
       .type = integer,
       .default_value = 2,
       .field_class = exec,
       .low = 0,
       .high = 100,
       .unit = "attempts",
       .help = "attempts after a failure of the run itself"},
      {.name = "resources.walltime",
       .type = FieldType::duration,
       .default_text = "none",
       .field_class = exec,
       .help = "longest time of one attempt, such as 12h; then the run saves and queues again"},
  };
}

}  // namespace

std::vector<Field> judging_rows() {
  std::vector<Field> rows = samples();
  for (std::vector<Field> group : {evaluation(), protocol_overrides(), export_and_resources()}) {
    rows.insert(rows.end(), group.begin(), group.end());
  }
  return rows;
}

}  // namespace sarsweep::config
