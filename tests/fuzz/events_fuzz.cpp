// Whatever bytes a worker ships, they are stored as far as they are events, noted where they are
// not, and refused only for want of a last newline. A real store, rolled back after each input.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "coordinator/core/core.h"
#include "coordinator/core/event_ingest.h"
#include "coordinator/store/sweep_store.h"
#include "schema/base/error.h"

namespace {

using namespace sarsweep;
using namespace sarsweep::coordinator;

std::filesystem::path temporary_home() {
  std::string name = (std::filesystem::temp_directory_path() / "sarsweep-fuzz-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) std::abort();
  return name;
}

// One run under way, in a transaction that never ends.
struct Store {
  Store() {
    migrate(connection);
    SweepRow sweep;
    sweep.name = "demo";
    sweep.objective_goal = "minimize";
    RunRow run;
    run.uid = "r1";
    run.name = run.cell = "a";
    run.sweep = SweepStore(connection).save(sweep);
    run.state = RunState::running;
    holding.run = RunStore(connection).need(RunStore(connection).insert(run));
    connection.change(
        "INSERT INTO worker (uid, name, incarnation, host, threads, slots, last_seen_ms)"
        " VALUES ('w1', 'w', 'i', 'h', 1, '[]', 0)");
    holding.attempt.run = holding.run.id;
    holding.attempt.epoch = holding.attempt.worker = 1;
    holding.attempt.incarnation = "i";
    AttemptStore(connection).insert(holding.attempt);
    connection.script("BEGIN");
  }
  ~Store() { std::filesystem::remove_all(home); }

  std::filesystem::path home = temporary_home();
  Core core{{.home = home, .store = {}}, system_clock(), shipped_language()};
  Connection connection{home / "fuzz.db", Connection::Access::write};
  Holding holding;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Store store;
  const std::string_view lines(reinterpret_cast<const char*>(data), size);
  const bool whole = lines.empty() || lines.back() == '\n';
  store.connection.script("SAVEPOINT input");
  Holding holding = store.holding;
  bool refused = false;
  try {
    ingest_events(store.core, store.connection, holding, lines);
  } catch (const Error& error) {
    refused = error.code() == ErrorCode::invalid;
    if (!refused) std::abort();
  }
  if (refused == whole) std::abort();
  store.connection.script("ROLLBACK TO input");
  store.connection.script("RELEASE input");
  return 0;
}
