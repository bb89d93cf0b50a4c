// A transaction that is not stored leaves no trace in what the coordinator keeps in memory alone.
#include <gtest/gtest.h>

#include "coordinator/core/leasing.h"
#include "coordinator/core/reaper.h"
#include "coordinator/core/submit.h"
#include "coordinator/store/attempt_store.h"
#include "tests/coordinator/core/bench.h"

namespace sarsweep::coordinator {
namespace {

// The parts of a coordinator, so that a test can get between them and their database.
class Parts {
 public:
  Parts() : core({.home = bench_.folder / "parts", .store = {}}, bench_.clock, language()) {}

  SweepLanguage language() {
    bench_.sweep.runs = {planned("a"), planned("b")};
    return {[this](const SweepSource&) { return bench_.sweep; },
            [](const nlohmann::json&) {
              return nlohmann::json{{"name", "mini"}, {"hash", "p"}};
            }};
  }
  // Two runs, held by a worker of two slots.
  void hold_two() {
    submit_sweep(core,
                 {{.text = "t", .file = "f.yaml", .dir = "", .cwd = "", .set = {}, .files = {}},
                  "",
                  "alice"},
                 nullptr);
    const std::string worker =
        register_worker(core, {"w", "1", "h", 1, {{0, "cpu"}, {1, "cpu"}}}).worker_id;
    ASSERT_EQ(lease(core, {worker, "1", "n", {0, 1}}).grants.size(), 2U);
  }
  std::size_t open_attempts() {
    return core.database.read([](Connection& c) { return AttemptStore(c).open().size(); });
  }

  void wait(double seconds) {
    for (double passed = 0; passed < seconds; ++passed) {
      clock.advance(1);
      reap(core);
    }
  }

  void execute(const std::string& sql) {
    core.database.write(Urgency::state, [&](Connection& c) { c.script(sql); });
  }

 private:
  Bench bench_;

 public:
  FakeClock& clock = bench_.clock;
  Core core;
};

TEST(FullDisk, AnAttemptWhoseLossWasNotStoredIsLostLater) {
  Parts parts;
  parts.hold_two();
  parts.wait(parts.core.options.regrant_after_s - 1);
  // The loss of the second run is refused, and that of the first goes with it.
  parts.execute(
      "CREATE TRIGGER refuse BEFORE INSERT ON event WHEN NEW.run = 2 AND NEW.what = 'queued'"
      " BEGIN SELECT RAISE(ABORT, 'full'); END");
  parts.clock.advance(2);
  EXPECT_THROW(reap(parts.core), Error);
  EXPECT_EQ(parts.open_attempts(), 2U);
  parts.execute("DROP TRIGGER refuse");
  reap(parts.core);
  parts.wait(parts.core.options.regrant_after_s + 1);
  EXPECT_EQ(parts.open_attempts(), 0U) << "an attempt without a lease is open for ever";
}

}  // namespace
}  // namespace sarsweep::coordinator
