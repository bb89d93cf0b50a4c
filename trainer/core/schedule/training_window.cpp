#include "trainer/core/schedule/training_window.h"

#include <algorithm>

namespace sarsweep::trainer {
namespace {

constexpr std::int64_t kTimesteps = 1000;
constexpr long kPoints = 200;

}  // namespace

void TrainingWindow::add(const UpdateReport& report) {
  learning_rates_ = report.learning_rates;
  if (!report.finite) return;
  loss_ += report.loss;
  grad_norm_ += report.grad_norm;
  ++updates_;
  for (const auto& [name, values] : report.terms) {
    auto& [sum, images] = terms_[name];
    for (const double value : values) sum += value;
    images += static_cast<std::int64_t>(values.size());
  }
  for (std::size_t i = 0; i < report.timesteps.size(); ++i) {
    const std::int64_t bin =
        std::clamp<std::int64_t>(report.timesteps[i] * kBins / kTimesteps, 0, kBins - 1);
    bin_loss_[static_cast<std::size_t>(bin)] += report.image_losses[i];
    ++bin_count_[static_cast<std::size_t>(bin)];
  }
}

nlohmann::json TrainingWindow::take() {
  nlohmann::json values = nlohmann::json::object();
  if (updates_ > 0) {
    values["train/loss"] = loss_ / static_cast<double>(updates_);
    values["train/grad_norm"] = grad_norm_ / static_cast<double>(updates_);
  }
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    if (bin_count_[bin] == 0) continue;
    values["train/loss_t" + std::to_string(bin)] =
        bin_loss_[bin] / static_cast<double>(bin_count_[bin]);
  }
  for (const auto& [name, total] : terms_) {
    if (total.second > 0) values["train/" + name] = total.first / static_cast<double>(total.second);
  }
  for (const auto& [group, rate] : learning_rates_) values["train/lr_" + group] = rate;
  *this = {};
  return values;
}

nlohmann::json TrainingWindow::to_json() const {
  return {{"loss", loss_},         {"grad_norm", grad_norm_}, {"updates", updates_},
          {"bin_loss", bin_loss_}, {"bin_count", bin_count_}, {"learning_rates", learning_rates_},
          {"terms", terms_}};
}

TrainingWindow TrainingWindow::from_json(const nlohmann::json& json) {
  TrainingWindow window;
  json.at("loss").get_to(window.loss_);
  json.at("grad_norm").get_to(window.grad_norm_);
  json.at("updates").get_to(window.updates_);
  json.at("bin_loss").get_to(window.bin_loss_);
  json.at("bin_count").get_to(window.bin_count_);
  json.at("learning_rates").get_to(window.learning_rates_);
  json.at("terms").get_to(window.terms_);
  return window;
}

long log_interval(long total_updates) { return std::max(1L, total_updates / kPoints); }

}  // namespace sarsweep::trainer
