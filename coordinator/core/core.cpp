#include "coordinator/core/core.h"

#include <utility>

#include "coordinator/store/attempt_store.h"
#include "schema/base/digest.h"

namespace sarsweep::coordinator {
namespace {

CoordinatorOptions absolute(CoordinatorOptions options) {
  options.home = std::filesystem::absolute(options.home).lexically_normal();
  if (options.store.empty()) options.store = options.home / "store";
  options.store = std::filesystem::absolute(options.store).lexically_normal();
  return options;
}

std::string stored_incarnation(Connection& connection, std::int64_t now_ms) {
  connection.change(
      "INSERT INTO store_info (one, incarnation, created_ms) VALUES (1, ?1, ?2)"
      " ON CONFLICT DO NOTHING",
      {random_hex(32), now_ms});
  return connection.text("SELECT incarnation FROM store_info").value();
}

}  // namespace

Core::Core(CoordinatorOptions chosen, const Clock& time, SweepLanguage sweeps)
    : options(absolute(std::move(chosen))),
      clock(time),
      language(std::move(sweeps)),
      lock(options.home),
      database(options.home / "sarsweep.db"),
      objects(options.store),
      leases(time.steady()) {
  incarnation = database.write(Urgency::state,
                               [this](Connection& c) { return stored_incarnation(c, now_ms()); });
  const auto until = after(grace_s());
  database.write(Urgency::state, [&](Connection& c) {
    for (const AttemptRow& attempt : AttemptStore(c).open()) leases.set(attempt.run, until);
  });
}

}  // namespace sarsweep::coordinator
