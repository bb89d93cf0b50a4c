#pragma once

#include <string>

#include "tests/simulation/agenda.h"

namespace sarsweep::simulation {

// Which kinds of fault one history has: each is drawn apart, so that some histories have one kind
// alone.
struct Faults {
  bool loss = false;         // messages and replies vanish
  bool duplication = false;  // requests arrive twice
  bool slowness = false;     // messages take up to a lease
  bool freezes = false;      // worker and trainers stand still, as under SIGSTOP
  bool worker_deaths = false;
  bool trainer_failures = false;
  bool coordinator_deaths = false;
  bool coordinator_stops = false;  // it stands still, as under SIGSTOP, and is spoken to meanwhile
  bool wall_jumps = false;         // the wall clock is set
  bool damage = false;             // checkpoints rot
  bool people = false;             // verbs
  bool edits = false;              // the sweep is submitted again, changed
  static constexpr const char* kNone = "no faults";

  // Whether every run needs only one attempt.
  bool cost_nothing() const { return text() == kNone || text() == "coordinator stops"; }

  static Faults drawn(Chance& chance) {
    Faults faults;
    for (bool* kind : {&faults.loss, &faults.duplication, &faults.slowness, &faults.freezes,
                       &faults.worker_deaths, &faults.trainer_failures, &faults.coordinator_deaths,
                       &faults.coordinator_stops, &faults.wall_jumps, &faults.damage,
                       &faults.people, &faults.edits}) {
      *kind = chance.happens(0.5);
    }
    return faults;
  }

  std::string text() const {
    std::string names;
    const auto add = [&names](bool on, const char* name) {
      if (on) names += names.empty() ? name : std::string(", ") + name;
    };
    add(loss, "loss");
    add(duplication, "duplication");
    add(slowness, "slowness");
    add(freezes, "freezes");
    add(worker_deaths, "worker deaths");
    add(trainer_failures, "trainer failures");
    add(coordinator_deaths, "coordinator deaths");
    add(coordinator_stops, "coordinator stops");
    add(wall_jumps, "wall jumps");
    add(damage, "damage");
    add(people, "people");
    add(edits, "edits");
    return names.empty() ? kNone : names;
  }
};

}  // namespace sarsweep::simulation
