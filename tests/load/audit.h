#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/client/api_client.h"
#include "tests/load/ledger.h"

namespace sarsweep::load {

// What the coordinator says it has, held against what the workers know.
struct Audit {
  std::int64_t runs = 0, points = 0;  // looked at: all of the ledger's
  std::int64_t lost_leases = 0;       // attempts that ended so
  std::vector<std::string> faults;    // a point that is missing, doubled or altered; a run not done
};

// Asks for every point of every run in the ledger and for the end of each that was finished.
Audit audit(const client::ApiClient& viewer, const Ledger& ledger);

}  // namespace sarsweep::load
