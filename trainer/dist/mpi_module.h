#pragma once

#include "trainer/dist/communicator.h"

// What libsarsweep_mpi.so offers; join_ranks() finds it by name.
namespace sarsweep::trainer {

inline constexpr const char* kMpiModule = "libsarsweep_mpi.so";
inline constexpr const char* kOpenMpi = "sarsweep_open_mpi";
using OpenMpi = Communicator* (*)(const RosterLimits&);  // the caller owns the result

}  // namespace sarsweep::trainer
