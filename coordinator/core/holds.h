#pragma once

#include <cstdint>
#include <string>

#include "coordinator/store/connection.h"

// A sweep that has reached one of its limits is held: what runs goes on, nothing new starts, until
// a person resumes one of its runs or its file says otherwise. Inside the caller's transaction.
namespace sarsweep::coordinator {

// Holds every sweep that has reached a limit.
void hold_what_is_over(Connection& connection, std::int64_t now_ms);

// Why the sweep is held, in one sentence; empty: it is not.
std::string why_held(Connection& connection, std::int64_t sweep);
// The same as it stands beside a run in lists: "held: …".
std::string held_remark(Connection& connection, std::int64_t sweep);

// Lifts a hold and says what it was; empty: there was none. What was counted until now counts no
// more.
std::string lift_hold(Connection& connection, std::int64_t sweep, const std::string& actor,
                      std::int64_t now_ms);

}  // namespace sarsweep::coordinator
