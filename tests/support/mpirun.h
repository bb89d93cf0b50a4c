#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sarsweep::tests {

// `mpirun -n RANKS …` for a crowded machine and for root; nullopt where there is no mpirun and a
// test may skip for that (present.h).
std::optional<std::vector<std::string>> mpirun(int ranks, const std::vector<std::string>& command);

// The process of `rank` below mpirun's process `job`; 0 where there is none (yet).
int rank_process(int job, int rank);

}  // namespace sarsweep::tests
