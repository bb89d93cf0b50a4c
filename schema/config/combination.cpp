// Values that are legal alone and not together.
#include <fmt/format.h>

#include <algorithm>

#include "schema/config/field_value.h"
#include "schema/config/fields.h"

namespace sarsweep::config {
namespace {

using nlohmann::json;

// The value of a field in a config that may lack it or hold null for it.
json at(const json& flat, const char* field) {
  const auto found = flat.find(field);
  return found == flat.end() ? json() : *found;
}

void check_length(const json& flat, std::vector<Problem>& problems) {
  if (at(flat, "train.steps").is_null() || at(flat, "train.epochs").is_null()) return;
  problems.push_back({"train.epochs", "illegal_combination",
                      "train.epochs and train.steps are both given", "keep one of them"});
}

void check_model(const json& flat, std::vector<Problem>& problems) {
  if (!at(flat, "model.path").is_null()) return;
  problems.push_back({"model.path", "missing", "model.path is missing",
                      "give a pipeline folder, or {run: NAME} for a parent run"});
}

void check_trained_parts(const json& flat, std::vector<Problem>& problems) {
  const json vae = at(flat, "vae.mode");
  if (at(flat, "job") == "vae") {
    if (vae != "full") {
      problems.push_back({"vae.mode", "illegal_combination",
                          "vae.mode is " + display(vae) + " in a vae job",
                          "leave it out, or full"});
    }
    return;
  }
  if (vae == "full") {
    problems.push_back({"vae.mode", "illegal_combination", "vae.mode full needs job: vae",
                        "write job: vae, or vae.mode: frozen"});
  }
  const bool frozen = at(flat, "unet.mode") == "frozen" &&
                      at(flat, "text_encoder_1.mode") == "frozen" &&
                      at(flat, "text_encoder_2.mode") == "frozen" && vae == "frozen" &&
                      at(flat, "token.train") != true;
  if (frozen && at(flat, "train.steps") != 0) {
    problems.push_back({"unet.mode", "illegal_combination",
                        "nothing is trained: unet, text encoders and vae are all frozen",
                        "set one mode to full or lora, or train.steps: 0 to evaluate only"});
  }
}

void check_refinement(const json& flat, std::vector<Problem>& problems) {
  if (at(flat, "vae.mode") != "decoder") return;
  for (const char* weight :
       {"vae.rayleigh_weight", "vae.histogram_weight", "vae.texture_weight", "vae.anchor_weight"}) {
    if (at(flat, weight) != 0) return;
  }
  problems.push_back({"vae.mode", "illegal_combination",
                      "vae.mode is decoder and all weights of its losses are 0",
                      "give one of vae.rayleigh_weight, vae.histogram_weight, vae.texture_weight, "
                      "vae.anchor_weight, "
                      "or write vae.mode: frozen"});
}

void check_batch(const json& flat, std::vector<Problem>& problems) {
  const json micro = at(flat, "train.micro_batch");
  const json batch = at(flat, "train.global_batch");
  if (!micro.is_number() || !batch.is_number()) return;
  const json gpus = at(flat, "resources.gpus");
  const std::int64_t slots = gpus.is_number() ? gpus.get<std::int64_t>() : 1;
  const std::int64_t unit = micro.get<std::int64_t>() * slots;
  const std::int64_t size = batch.get<std::int64_t>();
  if (unit <= 0 || size % unit == 0) return;
  const std::int64_t below = size / unit * unit;
  const std::string nearest =
      below > 0 ? fmt::format("{}, {}", below, below + unit) : fmt::format("{}", unit);
  problems.push_back({"train.global_batch", "not_divisible",
                      fmt::format("global_batch {} is not divisible by micro_batch {} x gpus {}",
                                  size, micro.get<std::int64_t>(), slots),
                      "nearest: " + nearest});
}

void check_resolution(const json& flat, std::vector<Problem>& problems) {
  const json resolution = at(flat, "data.resolution");
  if (!resolution.is_number()) return;
  const std::int64_t side = resolution.get<std::int64_t>();
  if (side % 8 == 0) return;
  problems.push_back({"data.resolution", "out_of_range",
                      fmt::format("data.resolution {} is not a multiple of 8", side),
                      fmt::format("nearest: {}, {}", side / 8 * 8, side / 8 * 8 + 8)});
}

void check_flip(const json& flat, std::vector<Problem>& problems) {
  const json flip = at(flat, "data.flip");
  if (flip.is_null() || flip == "none" || !at(flat, "data.range_axis").is_null()) return;
  problems.push_back({"data.range_axis", "missing",
                      "data.range_axis is missing where data.flip is " + display(flip),
                      "write columns where range is horizontal, rows where it is vertical"});
}

void check_betas(const json& flat, std::vector<Problem>& problems) {
  const json betas = at(flat, "train.betas");
  const bool below_one = std::all_of(betas.begin(), betas.end(), [](const json& beta) {
    return !beta.is_number() || beta.get<double>() < 1;
  });
  if (below_one) return;
  problems.push_back({"train.betas", "out_of_range",
                      "train.betas must lie below 1 (got " + betas.dump() + ")", ""});
}

}  // namespace

std::vector<Problem> combination_problems(const json& flat) {
  std::vector<Problem> problems;
  check_length(flat, problems);
  check_model(flat, problems);
  check_trained_parts(flat, problems);
  check_refinement(flat, problems);
  check_batch(flat, problems);
  check_resolution(flat, problems);
  check_flip(flat, problems);
  check_betas(flat, problems);
  return problems;
}

}  // namespace sarsweep::config
