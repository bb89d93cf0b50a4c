// What the statistics make of two result documents, for a referee: DUMP METRIC… < {"a": document,
// "b": document, "p": [number]}. Prints one JSON document.
#include <iostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "coordinator/stats/cell.h"
#include "coordinator/stats/holm.h"

namespace {

using nlohmann::json;
using namespace sarsweep::stats;

json images_json(const ImageSet& images) {
  json out = json::array();
  for (const ImageName& image : images.images()) out.push_back({image.label, image.file});
  return out;
}

json draws_json(const Resampling& resampling) {
  json out = json::array();
  for (std::size_t b = 0; b < resampling.replicates(); ++b) {
    json strata = json::array();
    for (std::size_t s = 0; s < resampling.images().strata().size(); ++s) {
      const auto drawn = resampling.drawn(b, s);
      strata.push_back(std::vector<std::uint32_t>(drawn.begin(), drawn.end()));
    }
    out.push_back(std::move(strata));
  }
  return out;
}

json run_json(const Resampled& run, const Resampling& resampling) {
  const Estimate made = estimate({{0, run.estimate, &run}}, &resampling);
  return {{"estimate", run.estimate},
          {"replicates", run.replicates},
          {"influence", run.influence},
          {"low", made.interval->low},
          {"high", made.interval->high}};
}

}  // namespace

int main(int argc, char** argv) try {
  const json input = json::parse(std::cin);
  const JudgedRun a = read_result(input.at("a")).value();
  const JudgedRun b = read_result(input.at("b")).value();
  const Resampling resampling(a.images);
  json out = {{"images", images_json(a.images)},
              {"draws", draws_json(resampling)},
              {"holm", holm(input.at("p").get<std::vector<double>>())},
              {"metrics", json::object()}};
  for (const std::string& metric : std::vector<std::string>(argv + 1, argv + argc)) {
    const std::vector<Statistic> statistic = {statistic_of(metric).value()};
    const Resampled of_a = resample(a, resampling, statistic).front().value();
    const Resampled of_b = resample(b, resampling, statistic).front().value();
    const auto compared =
        compare({{0, of_b.estimate, &of_b}}, {{0, of_a.estimate, &of_a}}, &resampling);
    out["metrics"][metric] = {{"a", run_json(of_a, resampling)},  {"b", run_json(of_b, resampling)},
                              {"delta", compared->delta},         {"low", compared->interval->low},
                              {"high", compared->interval->high}, {"p", *compared->p}};
  }
  std::cout << out.dump() << '\n';
  return 0;
} catch (const std::exception& error) {
  std::cerr << "dump: error: " << error.what() << '\n';
  return 1;
}
