#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "schema/base/atomic_file.h"
#include "schema/base/error.h"
#include "schema/base/json_text.h"
#include "trainer/core/metrics/folder_pairs.h"
#include "trainer/torch/commands/commands.h"

namespace sarsweep::trainer {
namespace {

struct Options {
  std::filesystem::path real, generated, protocol, out;
};

nlohmann::json read_protocol(const std::filesystem::path& file) {
  if (file.empty()) return default_protocol();
  nlohmann::json protocol = parse_json(read_file(file), file.string());
  if (!protocol.is_object()) {
    throw Error(ErrorCode::invalid, fmt::format("{}: a protocol is a JSON object", file.string()));
  }
  return protocol;
}

void run_evaluate(const Options& options) {
  const nlohmann::json result =
      evaluate(load_folder_pairs(options.real, options.generated, read_protocol(options.protocol)));
  write_file_atomically(options.out, result.dump(1) + "\n");
  for (const nlohmann::json& warning : result["warnings"]) {
    std::cerr << "warning: " << warning.get<std::string>() << '\n';
  }
  std::cout << fmt::format("n {}  kl_pooled {}  floor {}  {}\n", result["n"].dump(),
                           result["kl_pooled"].dump(), result["floor"]["kl_pooled"].dump(),
                           options.out.string());
}

}  // namespace

void add_evaluate(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("evaluate", "Measure generated pictures against real ones.");
  command->add_option("--real", options->real, "folder of real pictures")->required();
  command->add_option("--generated", options->generated, "folder of generated pictures")
      ->required();
  command->add_option("--protocol", options->protocol, "resolved protocol, JSON (default: sar-v1)");
  command->add_option("--out", options->out, "result document, JSON")->required();
  command->callback([options, &exit_code] {
    run_evaluate(*options);
    exit_code = 0;
  });
}

}  // namespace sarsweep::trainer
