#include "coordinator/store/event_store.h"

namespace sarsweep::coordinator {

void EventStore::add(const EventRow& event) {
  connection_.change(
      "INSERT INTO event (run, t_ms, actor, what, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
      {sql(event.run), event.t_ms, event.actor, event.what, event.detail});
}

void EventStore::add_submitted(std::int64_t sweep, std::int64_t first, const std::string& actor) {
  connection_.change(
      "INSERT INTO event (run, t_ms, actor, what, detail)"
      " SELECT id, created_ms, ?3, state, 'submitted' FROM run WHERE id >= ?2 AND sweep = ?1"
      " ORDER BY id",
      {sweep, first, actor});
}

std::vector<EventRow> EventStore::of_run(std::int64_t run, std::int64_t after, std::int64_t limit) {
  std::vector<EventRow> rows;
  connection_.each(
      "SELECT seq, t_ms, actor, what, detail FROM event WHERE run = ?1 AND seq > ?2"
      " ORDER BY seq LIMIT ?3",
      {run, after, limit}, [&](const Row& row) {
        rows.push_back(
            {run, row.integer(1), row.text(2), row.text(3), row.text(4), row.integer(0)});
      });
  return rows;
}

std::optional<RunState> EventStore::newest_state(std::int64_t run, bool (*passed_over)(RunState)) {
  std::optional<RunState> newest;
  connection_.each("SELECT what FROM event WHERE run = ?1 ORDER BY seq", {run},
                   [&](const Row& row) {
                     const std::optional<RunState> state = parse_run_state(row.text(0));
                     if (state && !passed_over(*state)) newest = state;
                   });
  return newest;
}

}  // namespace sarsweep::coordinator
