#include <fmt/format.h>

#include <iostream>
#include <map>

#include <CLI/CLI.hpp>

#include "schema/base/error.h"
#include "schema/base/shutdown_signal.h"
#include "tests/load/campaign.h"
#include "tests/support/temp_dir.h"

namespace {

using namespace sarsweep;
using namespace sarsweep::load;

constexpr int kInterrupted = 130;

using Mode = std::string (Campaign::*)();
const std::map<std::string, Mode> kModes = {
    {"steady", &Campaign::steady}, {"peak", &Campaign::peak}, {"restart", &Campaign::restart}};

}  // namespace

int main(int argc, char** argv) try {
  const ShutdownSignal shutdown;  // First: threads started later inherit its signal mask.
  const testing::TempDir folder;
  CampaignOptions options{.coordinator = SARSWEEP_COORDINATOR, .home = folder.path() / "home"};
  std::string mode;
  CLI::App app(
      "Puts a real coordinator under the load of many simulated workers. Exits 0 unless a "
      "lease is lost or a point is missing, doubled, altered or refused.",
      "sarsweep-load");
  app.add_option("mode", mode, "steady, peak or restart")
      ->required()
      ->check(CLI::IsMember({"steady", "peak", "restart"}));
  app.add_option("--coordinator", options.coordinator, "The program");
  app.add_option("--workers", options.workers, "Simulated workers, a slot each");
  app.add_option("--runs", options.runs, "Runs of the sweep, a multiple of 100");
  app.add_option("--seconds", options.seconds, "How long latencies count");
  app.add_option("--batches", options.batches, "Batches of events a run; 0: by the time");
  app.add_option("--restarts", options.restarts, "How often `restart` kills the coordinator");
  app.add_option("--threads", options.threads, "Threads of this program");
  CLI11_PARSE(app, argc, argv);
  Campaign campaign(options);
  // Told to stop, it leaves neither process nor files behind.
  const std::stop_callback interrupted(shutdown.token(), [&] {
    campaign.abandon();
    std::error_code ignored;
    std::filesystem::remove_all(folder.path(), ignored);
    std::_Exit(kInterrupted);
  });
  const std::string summary = (campaign.*kModes.at(mode))();
  fmt::print("summary: {}\n", summary);
  for (const std::string& fault : campaign.faults()) fmt::print(stderr, "fault: {}\n", fault);
  return campaign.faults().empty() ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "sarsweep-load: error: " << error.what() << '\n';
  return 1;
}
