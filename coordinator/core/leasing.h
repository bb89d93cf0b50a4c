#pragma once

#include <string>
#include <vector>

#include "coordinator/core/core.h"
#include "coordinator/core/scheduler.h"
#include "schema/protocol/messages.h"

namespace sarsweep::coordinator {

// The workers' side of the coordinator, one transaction a call.
RegisterReply register_worker(Core& core, const RegisterRequest& request);
LeaseReply lease(Core& core, const LeaseRequest& request);
HeartbeatReply heartbeat(Core& core, const HeartbeatRequest& request);
void started(Core& core, const LeaseKey& key);
void leave(Core& core, const std::string& worker_id, const std::string& incarnation);

// The queued runs in the order in which they are granted.
std::vector<Candidate> queue_in_order(Connection& connection);

}  // namespace sarsweep::coordinator
