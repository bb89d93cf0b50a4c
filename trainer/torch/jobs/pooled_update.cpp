#include "trainer/torch/jobs/pooled_update.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

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

void append_tensor(std::vector<double>& list, const at::Tensor& values) {
  const at::Tensor flat = values.contiguous();
  const float* begin = flat.const_data_ptr<float>();
  list.insert(list.end(), begin, begin + flat.numel());
}

// An fp32 scalar beside the weights.
at::Tensor loss_of(const std::vector<MicroLosses>& passes, const UpdateRule& rule) {
  const at::Tensor beside = rule.groups().front().tensors.front().second;
  at::Tensor sum = at::zeros({1}, at::device(beside.device()).dtype(at::kFloat));
  for (const MicroLosses& pass : passes) sum += pass.loss.sum();
  return sum;
}

void report_passes(const std::vector<MicroLosses>& passes, UpdateReport& report) {
  for (const MicroLosses& pass : passes) {
    const MicroLosses losses = on_host(pass);
    append_tensor(report.image_losses, losses.loss);
    for (const RefinementTerm& term : losses.terms) {
      append_tensor(report.terms[term.name], term.loss);
      append_tensor(report.terms[term.name + "_pixel_gradient"], term.pixel_gradient);
    }
  }
}

// Lists in `report` what all ranks have, and compares a trained tensor.
void gather_reports(Communicator& ranks, const UpdateRule& rule, long index, UpdateReport& report) {
  if (ranks.size() == 1) return;
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
    for (const auto& [term, values] : part.at("terms").items()) append(report.terms[term], values);
    if (packed(part.at("witness")) == packed(own.at("witness"))) continue;
    throw Error(ErrorCode::internal,
                fmt::format("the ranks' weights differ after update {}: '{}'", index, name));
  }
}

}  // namespace

void finish_update(Communicator& ranks, UpdateRule& rule, const UpdateSize& size,
                   const std::vector<MicroLosses>& passes, UpdateReport& report) {
  const c10::NoGradGuard no_grad;
  at::Tensor loss = loss_of(passes, rule);
  sum_gradients(ranks, rule.groups(), loss);
  const UpdateOutcome outcome = rule.apply(size.index, loss);
  report.grad_norm = outcome.grad_norm;
  report.finite = outcome.finite;
  report.learning_rates = outcome.learning_rates;
  report_passes(passes, report);
  gather_reports(ranks, rule, size.index, report);
  const double sum = std::accumulate(report.image_losses.begin(), report.image_losses.end(), 0.0);
  report.loss = sum / static_cast<double>(size.images);
}

std::vector<StreamSample> samples_of_pass(Communicator& ranks, SampleStream& stream,
                                          const Dataset& data, const UpdateRange& pass,
                                          UpdateReport& report) {
  ranks.require_all();
  std::vector<StreamSample> samples = stream.samples(pass);
  for (const StreamSample& sample : samples) {
    report.images.push_back(data.items()[sample.image].file_name);
  }
  return samples;
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
