#include "trainer/torch/jobs/pooled_update.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sum.h>
#include <fmt/format.h>

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include <c10/core/GradMode.h>

#include "schema/base/error.h"
#include "trainer/torch/training/gradient_sum.h"

namespace sarsweep::trainer {
namespace {

using nlohmann::json;

// CBOR, because JSON knows neither "nan" nor "inf".
std::string packed(const json& document) {
  std::string bytes;
  json::to_cbor(document, bytes);
  return bytes;
}

std::vector<json> exchange(Communicator& ranks, const json& own) {
  std::vector<json> all;
  for (const std::string& bytes : ranks.gather(packed(own))) all.push_back(json::from_cbor(bytes));
  return all;
}

template <typename T>
void append(std::vector<T>& list, const json& more) {
  for (const json& value : more) list.push_back(value.get<T>());
}

}  // namespace

void pool_update(Communicator& ranks, UpdateRule& rule, long index, std::int64_t images,
                 UpdateReport& report) {
  if (ranks.size() > 1) {
    const c10::NoGradGuard no_grad;
    const NamedTensors weights = rule.weights();
    const auto& [name, witness] = weights[static_cast<std::size_t>(index) % weights.size()];
    const json own = {{"losses", report.image_losses},
                      {"timesteps", report.timesteps},
                      {"images", report.images},
                      {"terms", report.terms},
                      {"witness", witness.sum(at::kDouble).item<double>()}};
    report.image_losses.clear();
    report.timesteps.clear();
    report.images.clear();
    report.terms.clear();
    for (const json& part : exchange(ranks, own)) {
      append(report.image_losses, part.at("losses"));
      append(report.timesteps, part.at("timesteps"));
      append(report.images, part.at("images"));
      for (const auto& [term, values] : part.at("terms").items())
        append(report.terms[term], values);
      if (packed(part.at("witness")) == packed(own.at("witness"))) continue;
      throw Error(ErrorCode::internal,
                  fmt::format("the ranks' weights differ before update {}: '{}'", index, name));
    }
  }
  const double sum = std::accumulate(report.image_losses.begin(), report.image_losses.end(), 0.0);
  report.loss = sum / static_cast<double>(images);
  if (std::isfinite(report.loss)) sum_gradients(ranks, rule.groups());
}

void require_agreement(Communicator& ranks, const json& facts) {
  const std::vector<json> all = exchange(ranks, facts);
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    for (const auto& [key, value] : all.front().items()) {
      if (all[rank].at(key) == value) continue;
      throw Error(ErrorCode::internal, fmt::format("rank {} has {} {}, rank 0 has {}", rank, key,
                                                   all[rank].at(key).dump(), value.dump()));
    }
  }
}

}  // namespace sarsweep::trainer
