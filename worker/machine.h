#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "schema/protocol/messages.h"

// What this machine offers.
namespace sarsweep::worker {

std::string host_name();

// Throws Error(invalid) unless `name` is 1 to 64 letters, digits, '.', '_' or '-' and no dot leads
// it.
void check_worker_name(const std::string& name);

// Number of NVIDIA devices below `dev` (nvidia0, nvidia1, …). No driver library is asked.
int count_gpus(const std::filesystem::path& dev = "/dev");

// How many of `gpus` devices CUDA_VISIBLE_DEVICES leaves to this process; `value` is its text,
// nullptr where it is not set. A cluster's job often sees the device files of GPUs that are
// others'.
int visible_gpus(int gpus, const char* value);

// One slot a GPU where there are some, else one for the CPU; `cpu_slots`: that many for the CPU.
std::vector<Slot> choose_slots(std::optional<int> cpu_slots, int gpus);

// Cores this process may run on, shared between the slots; at least 1.
int threads_per_slot(std::size_t slots);

}  // namespace sarsweep::worker
