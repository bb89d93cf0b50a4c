#include "coordinator/store/hold_store.h"

namespace sarsweep::coordinator {
namespace {

constexpr const char* kHours = R"sql(
  SELECT COALESCE(SUM(hours), 0.0) FROM run_hours WHERE sweep = ?1
)sql";

constexpr const char* kTakeHours = R"sql(
  INSERT INTO run_hours (sweep, run, hours)
  SELECT ?1, ?2, m.value FROM metric m JOIN metric_key k ON k.id = m.key
   WHERE m.run = ?2 AND k.name = 'train/gpu_hours'
   ORDER BY m.attempt DESC, m.step DESC LIMIT 1
  ON CONFLICT DO UPDATE SET hours = excluded.hours
)sql";

SqlValue real(const std::optional<double>& value) {
  if (value) return *value;
  return nullptr;
}

double hours_of(Connection& connection, std::int64_t sweep) {
  double hours = 0;
  connection.each(kHours, {sweep}, [&](const Row& row) { hours = row.real(0); });
  return hours;
}

}  // namespace

void HoldStore::set_limits(std::int64_t sweep, std::optional<double> gpu_hours,
                           std::optional<std::int64_t> max_failures) {
  connection_.change(
      "INSERT INTO sweep_hold (sweep, gpu_hours, max_failures) VALUES (?1, ?2, ?3)"
      " ON CONFLICT (sweep) DO UPDATE SET gpu_hours = ?2, max_failures = ?3",
      {sweep, real(gpu_hours), sql(max_failures)});
}

std::vector<SweepHold> HoldStore::select(const std::string& where, const SqlValues& values) {
  std::vector<SweepHold> rows;
  connection_.each(
      "SELECT sweep, gpu_hours, max_failures, held, lifted_seq, lifted_gpu_hours FROM sweep_hold " +
          where,
      values, [&](const Row& row) {
        SweepHold hold{.sweep = row.integer(0)};
        if (!row.null(1)) hold.gpu_hours = row.real(1);
        hold.max_failures = row.maybe_integer(2);
        hold.held = row.text(3);
        hold.lifted_seq = row.integer(4);
        hold.lifted_gpu_hours = row.real(5);
        rows.push_back(std::move(hold));
      });
  return rows;
}

std::optional<SweepHold> HoldStore::find(std::int64_t sweep) {
  std::vector<SweepHold> rows = select("WHERE sweep = ?1", {sweep});
  if (rows.empty()) return std::nullopt;
  return rows.front();
}

std::vector<SweepHold> HoldStore::watched() {
  return select(
      "WHERE held = '' AND (gpu_hours IS NOT NULL OR max_failures IS NOT NULL) ORDER BY sweep", {});
}

std::set<std::int64_t> HoldStore::held() {
  std::set<std::int64_t> sweeps;
  for (const SweepHold& hold : select("WHERE held <> ''", {})) sweeps.insert(hold.sweep);
  return sweeps;
}

std::map<std::int64_t, std::string> HoldStore::reasons() {
  std::map<std::int64_t, std::string> reasons;
  for (const SweepHold& hold : select("WHERE held <> ''", {})) reasons[hold.sweep] = hold.held;
  return reasons;
}

void HoldStore::hold(std::int64_t sweep, const std::string& reason) {
  connection_.change("UPDATE sweep_hold SET held = ?2 WHERE sweep = ?1", {sweep, reason});
}

void HoldStore::lift(std::int64_t sweep) {
  connection_.change(
      "UPDATE sweep_hold SET held = '', lifted_gpu_hours = ?2,"
      " lifted_seq = (SELECT COALESCE(MAX(seq), 0) FROM event) WHERE sweep = ?1",
      {sweep, hours_of(connection_, sweep)});
}

std::int64_t HoldStore::failures(const SweepHold& hold) {
  return connection_
      .integer(
          "SELECT COUNT(DISTINCT r.id) FROM run r JOIN event e ON e.run = r.id"
          " WHERE r.sweep = ?1 AND r.state = 'failed' AND e.what = 'failed' AND e.seq > ?2",
          {hold.sweep, hold.lifted_seq})
      .value_or(0);
}

void HoldStore::take_hours(std::int64_t sweep, std::int64_t run) {
  connection_.change(kTakeHours, {sweep, run});
}

double HoldStore::gpu_hours(const SweepHold& hold) {
  return hours_of(connection_, hold.sweep) - hold.lifted_gpu_hours;
}

}  // namespace sarsweep::coordinator
