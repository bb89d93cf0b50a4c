#pragma once

#include <array>
#include <cstdint>
#include <string>

// What the simulated trainers say. Every value follows from the run, the key and the step, so that
// an altered point is seen without anybody keeping a list of ten million.
namespace sarsweep::load {

// The keys of one `metrics` event, as a trainer writes them.
inline constexpr std::array<const char*, 5> kKeys = {"train/loss", "train/grad_norm", "train/lr",
                                                     "train/samples_seen", "train/gpu_hours"};

double value_of(const std::string& run_id, std::size_t key, std::int64_t step);

// `metrics` events of the steps first to last and a `progress` event, as lines of events.jsonl.
std::string event_lines(const std::string& run_id, std::int64_t first, std::int64_t last);
// The `end` event of a run that is done.
std::string end_line(std::int64_t step);

// A sweep file of that many runs, a multiple of a hundred, with limits that are watched but never
// reached.
std::string sweep_text(int runs);
inline constexpr const char* kSweep = "load";

}  // namespace sarsweep::load
