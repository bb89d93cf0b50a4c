// Values that are legal alone and not together.
#include <fmt/format.h>

#include <algorithm>

#include "schema/config/field_value.h"
#include "schema/config/fields.h"
#include "schema/config/run_values.h"

namespace sarsweep::config {
namespace {

using nlohmann::json;

void check_length(const RunValues& given, std::vector<Problem>& problems) {
  for (const char* field : {"train.epochs", "clip.epochs"}) {
    const std::string_view rival = rival_of(field);
    if (given[field].is_null() || given[rival].is_null()) continue;
    problems.push_back({field, "illegal_combination",
                        fmt::format("{} and {} are both given", field, rival), "keep one of them"});
  }
}

void check_model(const RunValues& given, std::vector<Problem>& problems) {
  if (!given["model.path"].is_null()) return;
  problems.push_back({"model.path", "missing", "model.path is missing",
                      "give a pipeline folder, or {run: NAME} for a parent run"});
}

void check_trained_parts(const RunValues& given, std::vector<Problem>& problems) {
  const json& vae = given["vae.mode"];
  if (given["job"] == "clip") return;  // one tower at least, by its own field
  if (given["job"] == "vae") {
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
  const bool frozen = given["unet.mode"] == "frozen" && given["text_encoder_1.mode"] == "frozen" &&
                      given["text_encoder_2.mode"] == "frozen" && vae == "frozen" &&
                      given["token.train"] != true;
  if (frozen && given["train.steps"] != 0) {
    problems.push_back({"unet.mode", "illegal_combination",
                        "nothing is trained: unet, text encoders and vae are all frozen",
                        "set one mode to full or lora, or train.steps: 0 to evaluate only"});
  }
}

void check_refinement(const RunValues& given, std::vector<Problem>& problems) {
  if (given["vae.mode"] != "decoder") return;
  for (const char* weight : {"vae.rayleigh_weight", "vae.histogram_weight", "vae.spectrum_weight",
                             "vae.anchor_weight"}) {
    if (given[weight] != 0) return;
  }
  problems.push_back({"vae.mode", "illegal_combination",
                      "vae.mode is decoder and all weights of its losses are 0",
                      "give one of vae.rayleigh_weight, vae.histogram_weight, "
                      "vae.spectrum_weight, vae.anchor_weight, "
                      "or write vae.mode: frozen"});
}

void check_batch(const RunValues& given, std::vector<Problem>& problems) {
  const json& micro = given["train.micro_batch"];
  const json& batch = given["train.global_batch"];
  // A pass of a clip job is no part of the sum, and may have any size.
  if (!micro.is_number() || !batch.is_number() || given["job"] == "clip") return;
  const json& gpus = given["resources.gpus"];
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

void check_resolution(const RunValues& given, std::vector<Problem>& problems) {
  const json& resolution = given["data.resolution"];
  if (!resolution.is_number()) return;
  const std::int64_t side = resolution.get<std::int64_t>();
  if (side % 8 == 0) return;
  problems.push_back({"data.resolution", "out_of_range",
                      fmt::format("data.resolution {} is not a multiple of 8", side),
                      fmt::format("nearest: {}, {}", side / 8 * 8, side / 8 * 8 + 8)});
}

void check_flip(const RunValues& given, std::vector<Problem>& problems) {
  const json& flip = given["data.flip"];
  if (flip.is_null() || flip == "none" || !given["data.range_axis"].is_null()) return;
  problems.push_back({"data.range_axis", "missing",
                      "data.range_axis is missing where data.flip is " + display(flip),
                      "write columns where range is horizontal, rows where it is vertical"});
}

void check_betas(const RunValues& given, std::vector<Problem>& problems) {
  const json& betas = given["train.betas"];
  const bool below_one = std::all_of(betas.begin(), betas.end(), [](const json& beta) {
    return !beta.is_number() || beta.get<double>() < 1;
  });
  if (below_one) return;
  problems.push_back({"train.betas", "out_of_range",
                      "train.betas must lie below 1 (got " + betas.dump() + ")", ""});
}

}  // namespace

std::vector<Problem> combination_problems(const RunValues& given) {
  std::vector<Problem> problems;
  check_length(given, problems);
  check_model(given, problems);
  check_trained_parts(given, problems);
  check_refinement(given, problems);
  check_batch(given, problems);
  check_resolution(given, problems);
  check_flip(given, problems);
  check_betas(given, problems);
  return problems;
}

std::vector<Problem> combination_problems(const json& flat) {
  return combination_problems(RunValues(flat));
}

}  // namespace sarsweep::config
