#include "trainer/torch/jobs/evaluation_record.h"

#include <filesystem>

#include "schema/base/atomic_file.h"
#include "schema/base/digest.h"
#include "schema/protocol/run_dir.h"
#include "trainer/core/metrics/flat_metrics.h"

namespace sarsweep::trainer {

using nlohmann::json;

void record_evaluation(RunContext& run, const std::string& prefix, long step, const json& result) {
  const std::string file = prefix + "/" + run_dir::step_name(step) + "/result.json";
  const std::string text = result.dump();
  std::filesystem::create_directories((run.dir() / file).parent_path());
  write_file_atomically(run.dir() / file, text);
  for (const json& warning : result.value("warnings", json::array())) {
    run.warn(warning.is_string() ? warning.get<std::string>() : warning.dump());
  }
  run.events().write("metrics", {{"step", step}, {"values", flat_metrics(result, prefix)}});
  run.events().write("eval", {{"step", step},
                              {"protocol_hash", result.at("protocol_hash")},
                              {"file", file},
                              {"bytes", text.size()},
                              {"sha256", sha256(text)}});
}

}  // namespace sarsweep::trainer
