#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "trainer/torch/commands/commands.h"
#include "trainer/torch/model/device.h"
#include "trainer/torch/training/self_checks.h"

namespace sarsweep::trainer {
namespace {

struct SelftestOptions {
  std::string device = "auto";
  bool json = false;
};

std::string line_of(const SelfCheck& check) {
  return fmt::format("{:6}  {:58}  error {:.1e}, allowed {:.1e}\n",
                     check.passed() ? "ok" : "FAILED", check.name, check.error, check.allowed);
}

nlohmann::json document_of(const std::vector<SelfCheck>& checks, const std::string& model,
                           bool passed) {
  nlohmann::json rows = nlohmann::json::array();
  for (const SelfCheck& check : checks) {
    rows.push_back({{"name", check.name},
                    {"error", check.error},
                    {"allowed", check.allowed},
                    {"passed", check.passed()}});
  }
  return {{"device", model}, {"passed", passed}, {"checks", rows}};
}

int selftest(const SelftestOptions& options) {
  const at::Device device = device_named(options.device);
  keep_fp32_whole();
  std::vector<SelfCheck> checks = kernel_checks(device);
  for (SelfCheck& check : gradient_checks(device)) checks.push_back(std::move(check));
  const auto failed = std::count_if(checks.begin(), checks.end(),
                                    [](const SelfCheck& check) { return !check.passed(); });
  const std::string model = device_model(device);
  if (options.json) {
    std::cout << document_of(checks, model, failed == 0).dump() << '\n';
  } else {
    for (const SelfCheck& check : checks) std::cout << line_of(check);
    std::cout << fmt::format("{} of {} checks passed on {}\n", checks.size() - failed,
                             checks.size(), model);
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace

void add_selftest(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<SelftestOptions>();
  CLI::App* command = app.add_subcommand(
      "selftest",
      "Compares kernels and gradients of this machine with references; exit code 1 if one is off.");
  command->add_option("--device", options->device, "auto, cpu, cuda or cuda:<index>")
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON document instead of lines");
  command->callback([options, &exit_code] { exit_code = selftest(*options); });
}

}  // namespace sarsweep::trainer
